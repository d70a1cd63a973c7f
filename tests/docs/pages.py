"""Reads Markdown pages as a reader does: commands to run, files to save, output to expect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_FILE = re.compile(r"`([\w./~-]+)`:$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words after it, the line above it, and its text."""

    language: str
    options: dict[str, str]
    above: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that this block is to be saved as, which the line above it names."""
        named = _FILE.search(self.above)
        return named[1] if named else None


@dataclass(frozen=True)
class SaveFile:
    """The reader saves a file."""

    path: str
    text: str
    line: int


@dataclass(frozen=True)
class RunCommands:
    """The reader types commands into a terminal, and compares the output where it is shown.

    `keeps_running`: the last command does not end; the next block of this terminal, or the end of
    the page, presses Ctrl-C.
    """

    commands: str
    line: int
    terminal: str = "main"
    status: int = 0
    keeps_running: bool = False
    output: str | None = None


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    return list(_blocks(text))


def _blocks(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        language, *words = found[1].split() or [""]
        options = dict(word.partition("=")[::2] for word in words)
        above = text[: found.start()].rstrip().rpartition("\n")[2]
        line = text.count("\n", 0, found.start()) + 1
        yield Block(language, options, above, found[2], line)


def only(page: str, language: str) -> list[str]:
    """The texts of a page's blocks in one language."""
    return [block.text for block in blocks(DOCS / page) if block.language == language]


def files(page: str) -> dict[str, str]:
    """The files that a page has its reader save, by name."""
    return {block.file: block.text for block in blocks(DOCS / page) if block.file}


def steps(page: Path) -> list[SaveFile | RunCommands]:
    """What a reader of the page does, step by step.

    Raises:
        ValueError: a block is neither commands, nor a file, nor the output of commands.
    """
    found: list[SaveFile | RunCommands] = []
    for block in blocks(page):
        if block.file:
            found.append(SaveFile(block.file, block.text, block.line))
        elif block.language == "bash":
            found.append(_commands(block))
        elif block.language in {"text", "json"} and _awaits_output(found):
            shown = found.pop()
            found.append(RunCommands(**{**vars(shown), "output": block.text}))
        else:
            message = f"{page}:{block.line}: a block that is no command, file or output"
            raise ValueError(message)
    return found


def _commands(block: Block) -> RunCommands:
    options = dict(block.options)
    commands = RunCommands(
        block.text,
        block.line,
        terminal=options.pop("terminal", "main"),
        status=int(options.pop("exit", "0")),
        keeps_running=options.pop("keeps-running", None) is not None,
    )
    if options:
        message = f"line {block.line}: unknown words after bash: {', '.join(options)}"
        raise ValueError(message)
    return commands


def _awaits_output(found: list[SaveFile | RunCommands]) -> bool:
    return bool(found) and isinstance(found[-1], RunCommands) and found[-1].output is None


def output_pattern(shown: str) -> re.Pattern[str]:
    """What a page's output stands for: `...` is any text of a line, or alone any lines.

    >>> bool(output_pattern("run ... ended").fullmatch("run 17 ended"))
    True
    >>> bool(output_pattern("first\\n...\\nlast").fullmatch("first\\n1\\n2\\nlast"))
    True
    >>> bool(output_pattern("run ... ended").fullmatch("run 17\\nended"))
    False
    """
    lines = [line.rstrip() for line in shown.strip("\n").splitlines()]
    parts = [r"(?:.*\n)*" if line.strip() == "..." else _line_pattern(line) for line in lines]
    return re.compile("".join(parts).removesuffix(r"\n") + r"\n*")


def _line_pattern(line: str) -> str:
    return ".*".join(map(re.escape, line.split("..."))) + r"[ ]*\n"
