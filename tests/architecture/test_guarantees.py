"""Every test that docs/reference/guarantees.md names is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "guarantees.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PAGE.read_text())))


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("named", NAMED)
def test_the_page_of_guarantees_names_tests_that_exist(named):
    file, _, name = named.partition("::")
    assert name in functions(ROOT / file)


def test_every_row_of_a_promise_names_a_test():
    rows = [
        line for line in PAGE.read_text().splitlines() if re.match(r"\| (?!promise|what)", line)
    ]
    assert len(rows) > 30
    assert [row for row in rows if "`tests/" not in row] == []
