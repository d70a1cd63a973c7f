"""The tutorial and the how-to guides are followed as they are written, command by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.conftest import BEFORE, Library
from tests.docs.pages import DOCS
from tests.docs.reader import Reader

# A page is many commands; each of them has a bound of its own.
pytestmark = pytest.mark.timeout(300)

ALONE = [*sorted((DOCS / "tutorial").glob("*.md")), BEFORE]
GUIDES = [page for page in sorted((DOCS / "how-to").glob("*.md")) if page != BEFORE]


@pytest.mark.parametrize("page", ALONE, ids=lambda page: page.stem)
def test_page_works_from_a_fresh_clone(fresh: Reader, page: Path) -> None:
    fresh.follow(page)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_guide_works_as_written(library: Library, guide: Path) -> None:
    assert f"({BEFORE.name})" in guide.read_text()
    library.follow(guide)
