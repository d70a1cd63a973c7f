"""The document's program checks a file that we have written, and finds what was changed."""

from __future__ import annotations

import pytest

from tests.docs.pages import only
from tests.export.moving import export, fill

LEAF, CHECK = only("reference/leaf.md", "python") + only("reference/export.md", "python")


async def test_an_auditor_checks_a_file_by_the_documents_alone(pool, log, tmp_path):
    await fill(log, 10)
    await export(pool, tmp_path / "one")
    names: dict = {}
    exec(LEAF + CHECK, names)
    lines = (tmp_path / "one").read_bytes().splitlines(keepends=True)
    names["check"](lines)
    lines[3] = lines[3].replace(b"number", b"numbeR")
    with pytest.raises(AssertionError):
        names["check"](lines)
