"""Who holds the slot of an exclusive flow, as far as this process has read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from events import types
from events.bodies import SlotFreed, SlotTaken
from events.envelope import Event, Version

MOST_SLOTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot at a version of its stream: the run that holds it, or nobody."""

    version: Version = Version(0)  # noqa: RUF009 - a number
    holder: str | None = None


class Stream(Protocol):
    """What is read of the log."""

    async def read_stream(self, tenant: str, stream: str, after: Version = ...) -> Sequence[Event]:
        """Read a stream on from a version."""
        ...


class Slots:
    """The slots read last; what was read is a guess that every append checks."""

    def __init__(self, log: Stream) -> None:
        self._log = log
        self._known: OrderedDict[tuple[str, str], Slot] = OrderedDict()

    async def read(self, tenant: str, fullname: str) -> Slot:
        """Read who holds a flow's slot now.

        Raises:
            LogUnavailable: the database does not answer.
        """
        key = (tenant, fullname)
        slot = self._known.pop(key, Slot())
        for event in await self._log.read_stream(tenant, types.slot_stream(fullname), slot.version):
            body: SlotTaken | SlotFreed = event.data
            taken = event.type == types.SLOT_TAKEN
            slot = Slot(event.version, body["run_id"] if taken else None)
        self._known[key] = slot
        if len(self._known) > MOST_SLOTS:
            self._known.popitem(last=False)
        return slot
