"""The document's program checks a file that we have written, and finds what was changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.export.moving import export, fill

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def program(name: str) -> str:
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]


async def test_an_auditor_checks_a_file_by_the_documents_alone(pool, log, tmp_path):
    await fill(log, 10)
    await export(pool, tmp_path / "one")
    names: dict = {}
    exec(program("leaf.md") + program("export.md"), names)
    lines = (tmp_path / "one").read_bytes().splitlines(keepends=True)
    names["check"](lines)
    lines[3] = lines[3].replace(b"number", b"numbeR")
    with pytest.raises(AssertionError):
        names["check"](lines)
