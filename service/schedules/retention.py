"""Removes old runs from their flows' lists; their events stay, and look-ups by id still work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from events.database import Pool, load, translate_errors
from events.envelope import Event
from events.errors import LogError
from events.follow import Feed
from events.types import CATALOGUE_TYPES, RUN_ENDS, RUN_QUEUED
from projections.errors import ProjectionError
from service.access import Origin
from service.errors import LedgerOnHold, ServiceError, Unavailable
from service.flows.catalogue import Catalogue
from service.flows.options import retained_runs
from service.runs.domain.commands import Outcome, UnlistRun
from service.runs.read.positions import ReadModelPositions
from service.runs.read.queries import Queries
from service.runs.write.writer import Writer

BATCH: Final = 200
"""Runs unlisted together. The writer loads their events, so this bounds memory too."""

INTERVAL_S: Final = 1.0
"""Seconds between two passes while runs start and end."""

BATCH_PAUSE_S: Final = 0.1
"""Seconds between two batches of a long backlog, in which others can append."""

RETRY_S: Final = 5.0
"""Seconds before the next pass after a failed one."""

LOCK_TIMEOUT_S: Final = 30.0
"""How long a process may hold the lock for one batch."""

ORIGIN: Final = Origin(actor="ledger", source="retention")

BatchResult = Literal["done", "more", "locked"]
"""No run is left to unlist, more may be, or another process holds the lock."""

_RELEVANT: Final = RUN_ENDS | CATALOGUE_TYPES | {RUN_QUEUED}
_EXPECTED: Final = (LogError, ServiceError, ProjectionError, TimeoutError)
_SQL: Final = Path(__file__).parent / "sql"
_log = logging.getLogger(__name__)


class Retention:
    """Shortens the lists of flows to their `retention`; any number of processes may run one.

    ``default`` is the offset of flows without one; ``on_result`` gets the number of runs unlisted
    by each batch. Each batch is queried anew, so a killed process leaves nothing to repair.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        queries: Queries,
        positions: ReadModelPositions,
        writer: Writer,
        feed: Feed,
        pool: Pool,
        default: int,
        on_result: Callable[[int], None],
    ) -> None:
        self._catalogue = catalogue
        self._queries = queries
        self._positions = positions
        self._writer = writer
        self._feed = feed
        self._pool = pool
        self._default = default
        self._on_result = on_result
        self._wake = asyncio.Event()
        self.notify()

    def notify(self) -> None:
        """Ask for a pass soon."""
        self._wake.set()

    def on_events(self, events: Iterable[Event]) -> None:
        """Ask for a pass if these events may leave runs to unlist."""
        if not self._wake.is_set() and any(event.type in _RELEVANT for event in events):
            self.notify()

    async def run(self) -> None:
        """Run for ever, under a supervisor; waits while the database is unavailable."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(await self._pass())

    async def _pass(self) -> float:
        try:
            result = await self.unlist_batch()
        except LedgerOnHold:
            self.notify()
            return INTERVAL_S
        except _EXPECTED as error:
            _log.warning("old runs stay in their lists for now: %s", error)
            self.notify()
            return RETRY_S
        if result == "done":
            return INTERVAL_S
        self.notify()
        return BATCH_PAUSE_S if result == "more" else INTERVAL_S

    async def unlist_batch(self) -> BatchResult:
        """Unlist the oldest runs beyond their flows' retention, `BATCH` at most.

        Raises:
            LogError: the database does not answer.
            ServiceError: the writer refused a part, or the lists lag too far behind.
        """
        offsets = list(self._offsets())
        if not offsets:
            return "done"
        await self._wait_for_lists(self._feed.head)
        async with self._lock() as is_locked:
            return await self._unlist(offsets) if is_locked else "locked"

    async def _unlist(self, offsets: Sequence[tuple[str, str, int]]) -> BatchResult:
        runs = (await self._queries.expired_runs(offsets, BATCH)).runs
        commands = [UnlistRun(tenant, ORIGIN, run_id, offset) for tenant, run_id, offset in runs]
        answers = await asyncio.gather(*map(self._writer.submit, commands), return_exceptions=True)
        outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
        self._on_result(len(outcomes))
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        # Still under the lock: otherwise the next pass, here or elsewhere, finds the same runs.
        await self._wait_for_lists(max((outcome.position for outcome in outcomes), default=0))
        return "more" if len(runs) == BATCH else "done"

    async def _wait_for_lists(self, position: int) -> None:
        if not await self._positions.wait_for("listings", position):
            raise Unavailable(f"the read model listings is not yet at position {position}")

    @asynccontextmanager
    async def _lock(self) -> AsyncIterator[bool]:
        # Best effort: it avoids duplicate work and is not needed for correctness. The database
        # releases it when the process dies.
        with translate_errors():
            async with (
                asyncio.timeout(LOCK_TIMEOUT_S),
                self._pool.acquire() as connection,
                connection.transaction(),
            ):
                yield bool(await connection.fetchval(load(_SQL, "try_lock_retention")))

    def _offsets(self) -> Iterable[tuple[str, str, int]]:
        for tenant_catalogue in self._catalogue.all_tenants:
            for flow in tenant_catalogue.current:
                count = retained_runs(flow.definition, self._default)
                if count is not None:
                    yield flow.tenant, flow.fullname, count
