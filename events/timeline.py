"""Notices a database that was replaced by an older copy while a process runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from events.envelope import Event, Position
from events.errors import LedgerReplaced, LogUnavailable

REPLACED_STATE: Final = "FL001"
"""The SQLSTATE by which `log.append` refuses a process that has seen more than the log holds."""

Witness = Callable[[Any], Awaitable[str | None]]
"""Asks a connection for what this process has committed; says what is missing, or None."""

_SQL: Final = Path(__file__).parent / "sql"
_log = logging.getLogger("flowledger.events")


class Timeline:
    """What a process has seen of its ledger, and whether the database still holds it.

    A restored backup, a promoted standby or a data directory that was put back may lack the latest
    events. Later positions are then given to other events: whoever goes on would mix two histories.
    So each new connection, each append and each poll of the feed compares the log with the newest
    event known here. Once anything is missing, nothing is read or written any more; the process is
    to end, and a new one sees one history. See ADR 0018.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        """What the database lacks; None while it is intact."""
        self.replaced = asyncio.Event()
        """Set once the database turned out to be replaced."""
        self.position = Position(0)
        """The newest position known here; 0 before the first."""
        self.answered_at_s = time.monotonic()
        """When the database last answered, by the monotonic clock."""
        self._leaf_hash = b""
        self._witnesses: list[Witness] = []

    def observe(self, events: Sequence[Event]) -> None:
        """Remember the last of some stored events, unless a newer one is known."""
        last = events[-1]
        if last.position > self.position:
            self.position, self._leaf_hash = last.position, last.leaf_hash

    def add_witness(self, witness: Witness) -> None:
        """Let each new connection be asked for something more."""
        self._witnesses.append(witness)

    def require_intact(self) -> None:
        """Refuse to go on with a database that was replaced.

        Raises:
            LedgerReplaced: it was.
        """
        if self.reason is not None:
            raise LedgerReplaced(self.reason)

    async def verify(self, connection: Any) -> None:  # noqa: ANN401 - the driver's
        """Compare the database of a connection with what this process has seen.

        Raises:
            LedgerReplaced: it lacks some of it.
            LogUnavailable: it is a standby, which may lag behind without any harm.
        """
        self.require_intact()
        position, leaf_hash = self.position, self._leaf_hash
        if position:
            row = await connection.fetchrow(_statement(), position)
            self.answered_at_s = time.monotonic()
            if row["is_standby"]:
                raise LogUnavailable("the database is a standby, which takes no writes")
            if row["head"] < position:
                self.declare_replaced(f"its log ends at position {row['head']}, not {position}")
            if row["leaf_hash"] != leaf_hash:
                self.declare_replaced(f"it has another event at position {position}")
        for witness in self._witnesses:
            if missing := await witness(connection):
                self.declare_replaced(missing)
        self.answered_at_s = time.monotonic()

    def declare_replaced(self, reason: str) -> None:
        """Stop everything that uses the database.

        Raises:
            LedgerReplaced: always.
        """
        self.reason = f"the database was replaced by an older copy: {reason}"
        if not self.replaced.is_set():
            self.replaced.set()
            _log.critical("%s; this process writes nothing any more and ends", self.reason)
        raise LedgerReplaced(self.reason)


@cache
def _statement() -> str:
    return (_SQL / "verify_timeline.sql").read_text(encoding="utf-8")
