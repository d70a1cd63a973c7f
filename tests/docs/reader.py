"""Does what a page says, in real shells: types its commands, saves its files, reads its output."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.ledger import free_port
from tests.docs.pages import RunCommands, SaveFile, output_pattern, steps

STEP_S = 60.0
STOP_S = 30.0
DOCUMENTED_PORT = re.compile(r"\b(?:808[01]|543[345])\b")


class PageError(AssertionError):
    """A page does not do what it says; names the page and the line."""


class Terminal:
    """One bash, as a terminal that a reader has opened."""

    def __init__(self, environment: Mapping[str, str], folder: Path, scratch: Path) -> None:
        self._scratch = scratch
        self._count = 0
        self.busy = False
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        # Ctrl-C reaches every process of the terminal; the shell itself survives it.
        self._type("set -o pipefail; trap : INT")

    def run(self, commands: str) -> tuple[int, str]:
        """Run commands to their end: the status of the first that failed, and what they printed."""
        output = self._start(commands)
        status = self._status(STEP_S)
        return status, output.read_text(errors="replace")

    def start(self, commands: str, shown: str) -> str | None:
        """Start commands that keep running; None where they printed what is shown, else what."""
        output = self._start(commands)
        self.busy = True
        pattern, deadline = output_pattern(shown), time.monotonic() + STEP_S
        while time.monotonic() < deadline:
            printed = output.read_text(errors="replace") if output.exists() else ""
            if pattern.match(printed):
                return None
            if self._ended(0.05):
                break
        return output.read_text(errors="replace")

    def interrupt(self) -> None:
        """Press Ctrl-C, and wait until the command has ended."""
        os.killpg(self._bash.pid, signal.SIGINT)
        self._status(STOP_S)
        self.busy = False

    def close(self) -> None:
        """Close the terminal and end what runs in it."""
        if self.busy:
            with contextlib.suppress(PageError):
                self.interrupt()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate()

    def _start(self, commands: str) -> Path:
        self._count += 1
        script = self._scratch / f"{id(self)}-{self._count}.sh"
        script.write_text(commands)
        output = script.with_suffix(".out")
        # The first command that fails decides, as a reader would stop there.
        self._type(
            "failed=0; trap 's=$?; [[ $failed != 0 ]] || failed=$s' ERR; "
            f"source {script} </dev/null >{output} 2>&1; trap - ERR; echo status $failed"
        )
        return output

    def _type(self, line: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(f"{line}\n")
        self._bash.stdin.flush()

    def _status(self, within_s: float) -> int:
        if not self._ended(within_s):
            message = f"still running after {within_s:.0f} s"
            raise PageError(message)
        assert self._bash.stdout is not None
        return int(self._bash.stdout.readline().removeprefix("status "))

    def _ended(self, within_s: float) -> bool:
        return bool(select.select([self._bash.stdout], [], [], within_s)[0])


class Reader:
    """Follows a page; `environment` is what the page takes for granted.

    Pages say ports 8080 and 8081, and 5433 to 5435 for Postgres; the reader's services listen on
    others, which are free.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, scratch: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._scratch = scratch
        self._terminals: dict[str, Terminal] = {}
        others = ("8081", "5433", "5434", "5435")
        self._ports = {"8080": environment["FLOWLEDGER_PORT"]}
        self._ports |= {port: str(free_port()) for port in others}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for terminal in self._terminals.values():
            terminal.close()

    def open_terminals(self, *, beside: str) -> None:
        """Close all terminals but one, so that the next page begins in new ones."""
        for name in self._terminals.keys() - {beside}:
            self._terminals.pop(name).close()

    def follow(self, page: Path, *, leave_running: str = "") -> None:
        """Do every step of a page; what a terminal runs already may be left running.

        Raises:
            PageError: a command fails, or prints something else than the page shows.
        """
        running = self._terminals.keys() & {leave_running}
        for step in steps(page):
            if isinstance(step, RunCommands) and step.terminal in running:
                continue
            try:
                self.do(step)
            except PageError as error:
                message = f"{page.name}, line {step.line}: {error}"
                raise PageError(message) from None

    def do(self, step: SaveFile | RunCommands) -> None:
        """Do one step."""
        if isinstance(step, SaveFile):
            self._save(step)
        elif step.keeps_running:
            self._start(step)
        else:
            self._run(step)

    def _save(self, step: SaveFile) -> None:
        draft = self._scratch / "draft"
        draft.write_text(self._here(step.text))
        name = step.path if step.path.startswith("~") else shlex.quote(step.path)
        status, said = self._terminal("main").run(
            f'mkdir -p "$(dirname {name})" && cp {shlex.quote(str(draft))} {name}\n'
        )
        if status:
            raise PageError(said)

    def _run(self, step: RunCommands) -> None:
        status, printed = self._terminal(step.terminal).run(self._here(step.commands))
        if status != step.status:
            message = f"status {status}, not {step.status}, of\n{step.commands}\n{printed}"
            raise PageError(message)
        if step.output is not None:
            _compare(step, self._here(step.output), printed)

    def _start(self, step: RunCommands) -> None:
        shown = self._here(step.output or "")
        printed = self._terminal(step.terminal).start(self._here(step.commands), shown)
        if printed is not None:
            message = f"{step.commands}\nprinted\n{printed}\nand not\n{shown}"
            raise PageError(message)

    def _terminal(self, name: str) -> Terminal:
        if name not in self._terminals:
            self._terminals[name] = Terminal(self._environment, self._folder, self._scratch)
        terminal = self._terminals[name]
        if terminal.busy:
            terminal.interrupt()
        return terminal

    def _here(self, text: str) -> str:
        return DOCUMENTED_PORT.sub(lambda port: self._ports[port[0]], text)


def _compare(step: RunCommands, shown: str, printed: str) -> None:
    if not output_pattern(shown).fullmatch(printed):
        message = f"{step.commands}\nprinted\n{printed}\nand not\n{shown}"
        raise PageError(message)
