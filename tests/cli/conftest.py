from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import postgres

SECRET_KEY = "cd" * 32
Verb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def ledger_url(postgres_run: Path, template_database: str) -> Iterator[str]:
    """A migrated database for all tests of a file."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


@pytest.fixture
def verb(ledger_url: str) -> Verb:
    """Run the real program beside whatever else works with the database."""
    return program(FLOWLEDGER_DATABASE_URL=ledger_url, FLOWLEDGER_SECRET_KEY=SECRET_KEY)


def program(**settings: str) -> Verb:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOWLEDGER_")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            env={**environment, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    return run
