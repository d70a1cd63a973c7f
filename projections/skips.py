"""The events that an operator had a read model skip: recorded in the log, read before it starts."""

from __future__ import annotations

from events.envelope import Position
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVENT_SKIPPED, EVERY_TENANT
from projections.projection import Projection


async def skipped(log: Log, projection: Projection) -> frozenset[Position]:
    """Name the positions that this version of a read model must pass by.

    Raises:
        LogError: the log cannot be read.
    """
    events = await log.read_stream(EVERY_TENANT, ADMINISTRATION_STREAM)
    wanted = (projection.name, projection.version)
    return frozenset(
        Position(event.data["position"])
        for event in events
        if event.type == EVENT_SKIPPED
        and (event.data["projection"], event.data["version"]) == wanted
    )
