from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.acceptance.ledger import Client, Ledger


@pytest.fixture(scope="session")
def examples(
    postgres_run: Path, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """A ledger with the examples loaded, to be copied; nothing may connect to it."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        ledger = Ledger(url, tmp_path_factory.mktemp("examples"))
        ledger.set_up()
        yield ledger


@pytest.fixture
def ledger(postgres_run: Path, examples: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with the examples loaded and an administrator's key; no process runs yet."""
    with postgres.fresh_database(postgres_run, examples.database) as url:
        ledger = examples.copied(url, tmp_path)
        yield ledger
        ledger.close()


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[Client]:
    """A client of one running `serve`."""
    async with Client(ledger, await ledger.serve()) as client:
        yield client
