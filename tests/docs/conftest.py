"""What a reader of the documentation begins with: a home, and a clone in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import open_cluster
from tests import postgres
from tests.acceptance.ledger import free_port
from tests.docs.pages import DOCS, RunCommands
from tests.docs.reader import Reader

ROOT = DOCS.parent
BEFORE = DOCS / "how-to" / "before-you-begin.md"
SETUPS = Path(__file__).parent / "setups"
"""What must have happened before a guide applies, by the guide's name."""


@contextlib.contextmanager
def new_reader(**settings: str) -> Iterator[Reader]:
    """A reader with a clone, and with these settings in the environment."""
    # Not below pytest's own folder: the embedded server's account must reach it.
    home = Path(tempfile.mkdtemp(prefix="flowledger-docs-"))
    home.chmod(0o711)
    clone, scratch = home / "flowledger", home / "scratch"
    scratch.mkdir()
    _link(ROOT, clone, but={".git", ".flowledger", ".venv"})
    # What `make venv` would install is there: the packages that these tests run with.
    _link(Path(sys.prefix), clone / ".venv", but={".stamp"})
    (clone / ".venv" / ".stamp").touch()
    _install_postgres(home / "bin")
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    kept["PATH"] = f"{home / 'bin'}:{kept['PATH']}"
    own = {"HOME": str(home), "FLOWLEDGER_PORT": str(free_port())}
    try:
        with Reader({**kept, **own, **settings}, clone, scratch) as reader:
            yield reader
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _install_postgres(folder: Path) -> None:
    """Put Postgres' programs on a reader's PATH; who is root runs its servers as another."""
    folder.mkdir()
    # Where root runs a server as another account, the cluster has a copy that it can reach.
    binaries = open_cluster(folder.parent / "postgres").binaries
    for program in (binaries / "bin").iterdir():
        (folder / program.name).symlink_to(program)
    if os.geteuid() != 0:
        return
    for name in ("initdb", "pg_ctl", "pg_basebackup"):
        program = (folder / name).readlink()
        (folder / name).unlink()
        (folder / name).write_text(
            "#!/bin/sh\nchown -R nobody practice\n"
            f'exec setpriv --reuid nobody --regid nogroup --clear-groups {program} "$@"\n'
        )
        (folder / name).chmod(0o755)


def _link(source: Path, folder: Path, *, but: set[str]) -> None:
    folder.mkdir()
    for each in source.iterdir():
        if each.name not in but:
            (folder / each.name).symlink_to(each)


@pytest.fixture
def fresh() -> Iterator[Reader]:
    """A reader who has nothing but a clone: the ledger is on the embedded Postgres."""
    with new_reader() as reader:
        yield reader


class Library:
    """One service for all guides, on the Postgres of this test run; a new one after a failure."""

    def __init__(self, folder: Path, template: str) -> None:
        self._folder = folder
        self._template = template
        self._opened = contextlib.ExitStack()
        self._reader: Reader | None = None

    def follow(self, guide: Path) -> None:
        """Follow a guide in new terminals, beside the service of the guides before it."""
        reader, self._reader = self._reader or self._open(), None
        reader.open_terminals(beside="service")
        reader.follow(BEFORE, leave_running="service")
        setup = SETUPS / f"{guide.stem}.py"
        if setup.exists():
            reader.do(RunCommands(f"PYTHONPATH={ROOT} python3 {setup}", line=0))
        reader.follow(guide)
        self._reader = reader

    def close(self) -> None:
        """End the service."""
        self._opened.close()

    def _open(self) -> Reader:
        self._opened.close()
        url = self._opened.enter_context(postgres.fresh_database(self._folder, self._template))
        return self._opened.enter_context(new_reader(FLOWLEDGER_DATABASE_URL=url))


@pytest.fixture(scope="module")
def library(postgres_run: Path, template_database: str) -> Iterator[Library]:
    """What follows the guides."""
    library = Library(postgres_run, template_database)
    yield library
    library.close()
