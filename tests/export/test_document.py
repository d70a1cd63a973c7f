"""The documented programs verify a file that we wrote, and detect a change."""

from __future__ import annotations

import pytest

from tests.docs.pages import only
from tests.export.transfer import export, fill

LEAF, CHECK = only("reference/leaf.md", "python") + only("reference/export.md", "python")


async def test_documented_programs_verify_an_export(pool, log, tmp_path):
    await fill(log, 10)
    await export(pool, tmp_path / "one")
    names: dict = {}
    exec(LEAF + CHECK, names)
    lines = (tmp_path / "one").read_bytes().splitlines(keepends=True)
    names["check"](lines)
    lines[3] = lines[3].replace(b"number", b"numbeR")
    with pytest.raises(AssertionError):
        names["check"](lines)
