"""Both of them, side by side, with the same history."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

import pytest

from tests import postgres
from tests.acceptance.ledger import Ledger
from tests.dialects.director.beside import peer
from tests.dialects.director.beside.comparison import Side

# One after another, so that both have them in this order.
HISTORY = (
    ("ETL", {}),
    ("ETL", {"comment": "hé"}),
    ("RANDOMS", {"payload": {"start": 1}}),
    ("FAIL_HOOKS", {}),
    ("with.dots", {}),
    ("HOOKS", {"payload": {"a": 1}, "comment": ""}),
    ("ECHO", {"payload": {"z": [1, None, True, "é"], "a": {"b": 1.5}}}),
)


@dataclass(frozen=True)
class Pair:
    """Director, and the ledger in its place."""

    director: Side
    ledger: Side

    def __iter__(self):
        return iter((self.director, self.ledger))


@pytest.fixture(scope="session")
def both(postgres_run, template_database, tmp_path_factory):
    """Pairs of doors: open ones, and closed ones with a credential that each knows."""
    if reason := peer.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("beside")
    with (
        postgres.fresh_database(postgres_run) as theirs,
        postgres.fresh_database(postgres_run, template_database) as ours,
        peer.director(folder, theirs) as director,
    ):
        ledger = Ledger(
            ours,
            folder,
            FLOWLEDGER_FLOWS=str(peer.PROJECT),
            FLOWLEDGER_DIRECTOR_UI=str(peer.package()),
            FLOWLEDGER_SLOTS="2",
        )
        try:
            yield _pairs(director, ledger)
        finally:
            ledger.close()


def _pairs(director, ledger):
    ledger.set_up(peer.PROJECT)
    closed = asyncio.run(ledger.serve())
    ledger.environment["FLOWLEDGER_DIRECTOR_OPEN"] = "default:administrator"
    opened = asyncio.run(ledger.serve())
    theirs, ours = _basic(*peer.USER), _basic(ledger.key["username"], ledger.key["password"])
    return {
        "opened": Pair(Side(director.opened), Side(opened.port)),
        "closed": Pair(Side(director.closed, basic=theirs), Side(closed.port, basic=ours)),
    }


def _basic(username, password):
    return base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.fixture(scope="session")
def opened(both):
    """The open pair, after the same history; `{id}` is its last workflow."""
    for name, more in HISTORY:
        for side in both["opened"]:
            side.start(name, **more)
            side.ended()
    for side, other in zip(both["closed"], both["opened"], strict=True):
        side.id = other.id
    return both["opened"]


@pytest.fixture(scope="session")
def closed(both, opened):
    """The pair with authentication, on the same history; `{id}` is its last workflow."""
    return both["closed"]
