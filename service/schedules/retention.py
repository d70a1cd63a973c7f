"""Lets old runs leave their flows' lists; the events stay, and so does every look-up by id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Literal

from events.envelope import Event
from events.errors import LogError
from events.follow import Feed
from events.types import CATALOGUE_TYPES, RUN_ENDS, RUN_QUEUED
from projections.errors import ProjectionError
from service.errors import ServiceError, Unavailable
from service.flows.catalogue import Catalogue
from service.flows.options import retained_runs
from service.origin import Origin
from service.runs.domain.commands import Outcome, UnlistRun
from service.runs.read.positions import ReadModelPositions
from service.runs.read.queries import Queries
from service.runs.write.writer import Writer

BATCH: Final = 200
"""Runs that leave together: their events are read for it, so this bounds memory too."""

LOOK_S: Final = 1.0
"""Seconds between two looks while runs come and end."""

BREATH_S: Final = 0.1
"""Seconds between two batches of a long backlog: others want their turn at the log."""

RETRY_S: Final = 5.0
"""Seconds after which it is tried again where nothing could be done."""

ORIGIN: Final = Origin(actor="ledger", source="retention")

Left = Literal["all", "some", "another's turn"]
"""Who of those that need not be kept has left, or whose turn it is to see to it."""

_NEWS: Final = RUN_ENDS | CATALOGUE_TYPES | {RUN_QUEUED}
_FAILED: Final = (LogError, ServiceError, ProjectionError, TimeoutError)
_log = logging.getLogger(__name__)


class Retention:
    """Keeps the lists of flows as long as their `retention` says; any number of processes may.

    ``default`` is the offset of flows that do not say; ``turn`` gives one process at a time its
    turn; ``tell`` hears how many runs have left. Work is in batches, each found anew in the read
    model: killed anywhere, the next look goes on.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        queries: Queries,
        positions: ReadModelPositions,
        writer: Writer,
        feed: Feed,
        turn: Callable[[], AbstractAsyncContextManager[bool]],
        default: int,
        tell: Callable[[int], None],
    ) -> None:
        self._catalogue = catalogue
        self._queries = queries
        self._positions = positions
        self._writer = writer
        self._feed = feed
        self._turn = turn
        self._default = default
        self._tell = tell
        self._news = asyncio.Event()
        self.look()

    def look(self) -> None:
        """Look soon whether there are runs to let go."""
        self._news.set()

    def hear(self, events: Iterable[Event]) -> None:
        """Take note of what has happened: soon there may be runs to let go."""
        if not self._news.is_set() and any(event.type in _NEWS for event in events):
            self.look()

    async def run(self) -> None:
        """Let runs go for ever; to be supervised. The database may be away."""
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(await self._sweep())

    async def _sweep(self) -> float:
        try:
            left = await self.batch()
        except _FAILED as error:
            _log.warning("runs stay in their lists for now: %s", error)
            self._news.set()
            return RETRY_S
        if left == "all":
            return LOOK_S
        self._news.set()
        return BREATH_S if left == "some" else LOOK_S

    async def batch(self) -> Left:
        """Let the oldest runs go that need not be kept, `BATCH` at most.

        Raises:
            LogError: the database does not answer.
            ServiceError: the writer could not take all of it, or the lists do not show it.
        """
        kept = list(self._kept())
        if not kept:
            return "all"
        await self._shown(self._feed.head)
        async with self._turn() as mine:
            return await self._let_go(kept) if mine else "another's turn"

    async def _let_go(self, kept: Sequence[tuple[str, str, int]]) -> Left:
        runs = (await self._queries.expired_runs(kept, BATCH)).runs
        commands = [UnlistRun(tenant, ORIGIN, run_id, offset) for tenant, run_id, offset in runs]
        answers = await asyncio.gather(*map(self._writer.submit, commands), return_exceptions=True)
        outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
        self._tell(len(outcomes))
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        # Within the turn: else the next look, anybody's, would find the same runs.
        await self._shown(max((outcome.position for outcome in outcomes), default=0))
        return "some" if len(runs) == BATCH else "all"

    async def _shown(self, position: int) -> None:
        if not await self._positions.wait_for("listings", position):
            raise Unavailable(f"the read model listings is not yet at position {position}")

    def _kept(self) -> Iterable[tuple[str, str, int]]:
        for tenant_catalogue in self._catalogue.all_tenants:
            for flow in tenant_catalogue.current:
                count = retained_runs(flow.definition, self._default)
                if count is not None:
                    yield flow.tenant, flow.fullname, count
