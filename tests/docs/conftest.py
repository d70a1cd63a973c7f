"""What a reader of the documentation begins with: a home, and a clone in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.acceptance.ledger import free_port
from tests.docs.pages import DOCS
from tests.docs.reader import Reader

ROOT = DOCS.parent
UNCLONED = {".git", ".flowledger"}


@pytest.fixture
def home() -> Iterator[Path]:
    """The reader's home, with a clone in it."""
    # Not below pytest's own folder: the embedded server's account must reach it.
    folder = Path(tempfile.mkdtemp(prefix="flowledger-docs-"))
    folder.chmod(0o711)
    (folder / "flowledger").mkdir()
    for each in ROOT.iterdir():
        if each.name not in UNCLONED:
            (folder / "flowledger" / each.name).symlink_to(each)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fresh(home: Path, tmp_path: Path) -> Iterator[Reader]:
    """A reader who has nothing but a clone: the ledger is on the embedded Postgres."""
    with Reader(_environment(home), home / "flowledger", tmp_path) as reader:
        yield reader


@pytest.fixture
def prepared(
    home: Path, tmp_path: Path, postgres_run: Path, template_database: str
) -> Iterator[Reader]:
    """A reader whose ledger is on the Postgres of this test run, which is quicker."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        environment = {**_environment(home), "FLOWLEDGER_DATABASE_URL": url}
        with Reader(environment, home / "flowledger", tmp_path) as reader:
            yield reader


def _environment(home: Path) -> dict[str, str]:
    given = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return {**given, "HOME": str(home), "FLOWLEDGER_PORT": str(free_port())}
