from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.acceptance.ledger import Client, Ledger


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with the examples loaded and an administrator's key; no process runs yet."""
    ledger = Ledger(database_url, tmp_path)
    ledger.set_up()
    yield ledger
    ledger.close()


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[Client]:
    """A client of one running `serve`."""
    async with Client(ledger, await ledger.serve()) as client:
        yield client
