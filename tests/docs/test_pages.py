"""The tutorial and the how-to guides are followed as they are written, command by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.docs.reader import Reader

BEFORE = DOCS / "how-to" / "before-you-begin.md"
ALONE = [*sorted((DOCS / "tutorial").glob("*.md")), BEFORE]
GUIDES = [page for page in sorted((DOCS / "how-to").glob("*.md")) if page != BEFORE]


@pytest.mark.parametrize("page", ALONE, ids=lambda page: page.stem)
def test_page_works_from_a_fresh_clone(fresh: Reader, page: Path) -> None:
    fresh.follow(page)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_guide_works_as_written(prepared: Reader, page: Path) -> None:
    if f"({BEFORE.name})" in page.read_text():
        prepared.follow(BEFORE)
    prepared.follow(page)
