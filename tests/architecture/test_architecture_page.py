"""The files and names that the documentation names exist.

On the page of the architecture a name in code font is looked up in the file or folder whose path
stands last before it. On the other pages only paths are checked, as few of them name code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from events.bodies import BODIES
from tests.docs.pages import DOCS
from tests.docs.tree import FOLDERS, PATHS, ROOT, find_paths, names_in

PAGE = DOCS / "explanation" / "architecture.md"
OTHERS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    # Decisions and figures speak of the tree of their day.
    *sorted(page for page in DOCS.rglob("*.md") if page.parent.name not in {"adr", "performance"}),
]
CODE = re.compile(r"`([^`\n]+)`")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?")
FILE = re.compile(r"[\w*.-]+(?:/[\w*.-]+)*/|(?:[\w*.-]+/)*[\w*-]+\.(?:py|sql|md|yaml|toml|json)")
FROM_ROOT = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./*-]*")
WORDS = {
    *BODIES,
    *(Path(path).name for path in find_paths("projections/read_models/*")),
    "NotRequired",
    "document",  # a column
    "project",  # a role of a process
    "schema_version",  # an argument of every projection
    "search_path",  # of Postgres
}
"""What stands in code font and is defined in no file that the page could name."""


class Named(NamedTuple):
    """A word in code font, and the path that stands last before it."""

    word: str
    place: str
    line: int


def paths_of(word: str) -> list[str]:
    """Find a path from the root, or else files of that name wherever they stand."""
    tail = word.rstrip("/")
    return find_paths(word) or [path for path in PATHS if _ends_with(path, tail)]


def _ends_with(path: str, word: str) -> bool:
    depth = word.count("/") + 1
    tail = "/".join(path.split("/")[-depth:])
    return re.fullmatch(re.escape(word).replace(r"\*", "[^/]*"), tail) is not None


def named_on(text: str) -> Iterator[Named]:
    """Walk the words in code font, each with the path from the root that stands before it."""
    place = ""
    for found in CODE.finditer(text):
        word, line = found[1], text.count("\n", 0, found.start()) + 1
        yield Named(word, place, line)
        if FILE.fullmatch(word) and len(exact := find_paths(word)) == 1:
            (place,) = exact


def missing_on(text: str) -> list[str]:
    """Say which words in code font name a file or a name that does not exist."""
    return [
        f"line {each.line}: {fault}"
        for each in named_on(text)
        if (fault := _fault(each.word, each.place))
    ]


def _fault(word: str, place: str) -> str:
    if FILE.fullmatch(word):
        return "" if paths_of(word) else f"there is no file {word}"
    if not NAME.fullmatch(word) or word in WORDS:
        return ""
    known = place and word in names_in(place)
    return "" if known else f"{place or 'nothing'} does not define {word}"


def missing_paths(text: str) -> list[str]:
    """Say which paths from the root, in code font or in a command, do not exist."""
    words = (word for code in CODE.findall(text) for word in FROM_ROOT.findall(code))
    return sorted({word for word in words if not find_paths(word.rstrip("."))})


def test_every_file_and_name_on_the_architecture_page_exists():
    assert missing_on(PAGE.read_text(encoding="utf-8")) == []


def test_architecture_page_names_files_and_names():
    named = list(named_on(PAGE.read_text(encoding="utf-8")))
    files = {each.word for each in named if FILE.fullmatch(each.word)}
    names = {each.word for each in named if NAME.fullmatch(each.word) and each.word not in WORDS}
    assert len(files) > 80
    assert len(names) > 60


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_on_other_pages_exists(page):
    assert missing_paths(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`events/store.py` `Log.append`", []),
        ("`events/store.py` `Log.appended`", ["events/store.py does not define Log.appended"]),
        (
            "`events/store.py` and `events/batcher.py` `Log`",
            ["events/batcher.py does not define Log"],
        ),
        ("`Log` of `events/store.py`", ["nothing does not define Log"]),
        ("`events/stores.py`", ["there is no file events/stores.py"]),
        ("`service/cli/` `VERB`", []),
        ("`events/types.py` `RUN_QUEUED`, `run_stream` and `RunQueued`", []),
        ("`projections/sql/segment_done.sql` `log.append`", ["does not define log.append"]),
        ("`finish*.sql` and `rendering.py`", []),
        ("`finished*.sql`", ["there is no file finished*.sql"]),
        ("`service/dialects/NAME/` and `GET /v1/runs`", []),
    ],
)
def test_a_broken_name_is_found(text, expected):
    found = missing_on(text)
    assert len(found) == len(expected)
    assert all(each in said for each, said in zip(expected, found, strict=True))


def test_a_broken_path_is_found_in_a_command():
    text = "`pytest tests/docs/test_links.py tests/docs/test_link.py`, `/v1/runs/{id}/events/x`"
    assert missing_paths(text) == ["tests/docs/test_link.py"]
