"""The files of the repository and the names that they define, for pages that name them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache

from tests.docs.pages import DOCS

ROOT = DOCS.parent
PACKAGES = ("events", "projections", "service")
FOLDERS = (*PACKAGES, "docs", "examples", "tests")
_CREATED = re.compile(r"\bcreate (?:or replace )?(?:function|table|view|sequence) ([\w.]+)")


def _walk() -> Iterator[str]:
    for top in sorted(ROOT.iterdir()):
        if top.is_file():
            yield top.name
        elif top.name in FOLDERS:
            yield top.name
            found = (path.relative_to(ROOT) for path in top.rglob("*"))
            yield from (str(path) for path in found if "__pycache__" not in path.parts)


PATHS = frozenset(_walk())
"""Every file and folder below the root, by its path from there."""


def find_paths(name: str) -> list[str]:
    """Find what a path on a page stands for: ``*`` is any text, a part in capitals any name."""
    parts = name.rstrip("/").split("/")
    pattern = "/".join("*" if part.isupper() and part not in PATHS else part for part in parts)
    depth = len(parts)
    return [path for path in PATHS if path.count("/") + 1 == depth and fnmatchcase(path, pattern)]


@cache
def names_in(path: str) -> frozenset[str]:
    """List what a file defines: ``function``, ``Class``, ``Class.member``, ``CONSTANT``.

    Of SQL it is what the file creates. Of a folder it is what its modules define.
    """
    place = ROOT / path
    if place.is_dir():
        return frozenset().union(*(names_in(f"{path}/{each.name}") for each in place.glob("*.py")))
    text = place.read_text(encoding="utf-8")
    if place.suffix == ".sql":
        return frozenset(_CREATED.findall(text))
    return frozenset(_defined(ast.parse(text))) if place.suffix == ".py" else frozenset()


def _defined(scope: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    for node in scope.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield prefix + node.name
            case ast.ClassDef():
                yield prefix + node.name
                yield from _defined(node, f"{node.name}.")
            case ast.AnnAssign(target=ast.Name(name)):
                yield prefix + name
            case ast.Assign(targets=targets):
                yield from (prefix + each.id for each in targets if isinstance(each, ast.Name))
