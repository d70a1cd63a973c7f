"""CONTRIBUTING has a map of the modules: every module is in it, and nothing else."""

from __future__ import annotations

import re

import pytest

from tests.docs.tree import PACKAGES, PATHS, ROOT, find_paths

BLOCK = re.compile(r"^## The rooms\n.*?^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"(?P<indent> {4})?(?P<name>[\w/.]+)(?: +(?P<job>\S.*))?")
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def mapped(page: str) -> list[tuple[str, str]]:
    """Read the map of a page: each path from the root, as it is written, and what it says of it."""
    (block,) = BLOCK.findall(page)
    found, folder = [], ""
    for line in block.splitlines():
        read = LINE.fullmatch(line)
        assert read, line
        name, job = read["name"], read["job"] or ""
        if not read["indent"]:
            folder = name
        found.append((f"{folder}{name}" if read["indent"] else name, job))
    return found


ENTRIES = mapped(PAGE)
MODULES = {
    path
    for path in PATHS
    if path.startswith(PACKAGES) and path.endswith(".py") and not path.endswith("__init__.py")
}


def test_every_module_stands_in_the_map():
    named = {path for name, _ in ENTRIES for path in find_paths(name)}
    assert MODULES - named == set()


@pytest.mark.parametrize("name", [name for name, _ in ENTRIES])
def test_every_name_of_the_map_is_in_the_tree(name):
    """A file of a folder NAME is in each of its siblings."""
    folder, _, file = name.rpartition("/")
    siblings = [
        path for path in find_paths(folder) if any(m.startswith(f"{path}/") for m in MODULES)
    ]
    assert siblings
    assert {f"{sibling}/{file}".rstrip("/") for sibling in siblings} <= PATHS


def test_no_name_stands_twice_in_the_map():
    names = [name for name, _ in ENTRIES]
    assert sorted(set(names)) == sorted(names)


def test_every_module_of_the_map_says_what_it_is_for():
    assert [name for name, job in ENTRIES if name.endswith(".py") and not job] == []
