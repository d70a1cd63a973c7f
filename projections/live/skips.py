"""The events that an operator had a read model skip: recorded in the log, read before it starts."""

from __future__ import annotations

from typing import Final

from events.envelope import Event, Position
from events.store import Log
from events.types import ADMINISTRATION_STREAM, EVENT_SKIPPED, EVERY_TENANT

ALL: Final = 2**63 - 1


async def skips(log: Log, name: str, version: int) -> dict[Position, Event]:
    """Give the `EventSkipped` of a version of a read model, by the position that it names.

    Raises:
        LogError: the log cannot be read.
    """
    events = await log.read_stream_of_type(
        EVERY_TENANT, ADMINISTRATION_STREAM, EVENT_SKIPPED, limit=ALL
    )
    return {
        Position(event.data["position"]): event
        for event in events
        if (event.data["projection"], event.data["version"]) == (name, version)
    }
