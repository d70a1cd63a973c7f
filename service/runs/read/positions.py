"""The positions of the read models: waits until they are reached, for read-your-writes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

from events.database import translate_errors
from events.envelope import Position
from events.store import Log
from projections import registry
from projections.errors import UnreadableReadModels
from projections.live.checkpoints import Checkpoints
from projections.live.paused import skipped_events
from projections.serving.version_router import QUERY_TIMEOUT_S, VersionRouter
from service.errors import PositionAhead, PositionNotReached

SERVED: Final = frozenset({"executions", "workflows", "listings", "load_plans"})
"""The read models that APIs answer from."""

CATCH_UP_TIMEOUT_S: Final = 2.0
"""How long an answer waits for a read model to catch up."""


class ReadModelPositions:
    """Waits for positions of the served read models, and reports them."""

    def __init__(self, version_router: VersionRouter, checkpoints: Checkpoints, log: Log) -> None:
        self._version_router = version_router
        self._checkpoints = checkpoints
        self._log = log

    async def require_readable(self) -> None:
        """Check that the tables of all served read models may be read.

        Raises:
            UnreadableReadModels: the service's role lacks the rights, as after a restore.
            LogUnavailable: the database does not answer.
        """
        with translate_errors():
            async with (
                asyncio.timeout(QUERY_TIMEOUT_S),
                self._version_router.connection() as connection,
            ):
                if schemas := await registry.find_unreadable(connection):
                    raise UnreadableReadModels(schemas)

    async def statuses(self) -> list[dict[str, Any]]:
        """Read the position of each version of each read model."""
        with translate_errors():
            async with (
                asyncio.timeout(QUERY_TIMEOUT_S),
                self._version_router.connection() as connection,
            ):
                return await registry.status(connection)

    async def wait_until_visible(self, position: int) -> None:
        """Wait, at most 2 s, until all served read models show a position: read your writes."""
        await self._checkpoints.wait(Position(position), SERVED, CATCH_UP_TIMEOUT_S)

    async def wait_for(self, name: str, position: int) -> bool:
        """Wait, at most 2 s, until a read model has reached a position; tell whether it has.

        A paused read model has not.
        """
        wanted = Position(position)
        await self._checkpoints.wait(wanted, (name,), CATCH_UP_TIMEOUT_S)
        return not self._checkpoints.lagging(wanted, (name,))

    async def require_position(self, position: int) -> None:
        """Wait until all served read models show at least this position.

        Raises:
            PositionAhead: the position is beyond the head of the log.
            PositionNotReached: a read model is late, or paused before the position.
        """
        wanted = Position(position)
        if not self._checkpoints.lagging(wanted, SERVED):
            return
        head = await self._log.head()
        if wanted > head:
            raise PositionAhead("the minimum position", position, head)
        await self._checkpoints.wait(wanted, SERVED, CATCH_UP_TIMEOUT_S)
        if lagging := self._checkpoints.lagging(wanted, SERVED):
            raise PositionNotReached(
                f"read models not yet at position {position}: {', '.join(lagging)}"
            )

    async def skipped(self, name: str) -> Collection[Position]:
        """Read which positions an operator made the serving version of a read model skip."""
        version = self._version_router.version(name).number
        return frozenset(await skipped_events(self._log, name, version))
