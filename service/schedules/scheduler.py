"""Starts flows when their schedules say so: each due time once, however many processes run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Literal

from events.errors import LogError
from projections.documents.flow import Flow
from service.errors import ServiceError, Unavailable
from service.flows.catalogue import Catalogue
from service.flows.schedule import Schedule, schedule_in
from service.origin import Origin
from service.runs.domain.commands import ScheduledStart, StartRun
from service.runs.write.writer import Writer
from service.schedules.last_fired import Key, Mark, Marks

AT_ONCE: Final = 50
"""Starts under way at a time."""

LOOK_S: Final = 60.0
"""Seconds after which the clock is looked at whatever is due: it may have been set."""

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0

MOST_MISSED: Final = 1000
"""Due times that are counted as missed."""

MOST_REASON: Final = 1000
"""Characters kept of why a start was refused: what is wrong in a payload may be long."""

ORIGIN: Final = Origin(actor="schedule", source="schedule")

Fired = Literal["started", "repeated", "refused", "delayed"]
"""What a due time came to: a run, one that another process had started, none, or none yet."""

Clock = Callable[[], Awaitable[datetime]]
"""Tells the time that all processes share: the log's."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Entry:
    """A flow with a schedule: what of it was due up to ``since`` is not made.

    ``look_at`` is when something is to be done next; ``failures`` how often in a row the ledger
    could not take it.
    """

    flow: Flow
    schedule: Schedule
    since: datetime
    look_at: datetime = _LONG_AGO
    failures: int = 0

    @property
    def key(self) -> Key:
        """The flow's name in the ledger."""
        return self.flow.tenant, self.flow.fullname


class Scheduler:
    """Fires the schedules of all flows; any number of processes may.

    It knows no time but the clock's, so that processes agree on what is due whatever their own
    clocks say. Of several due times that have passed only the last is made. ``tell`` hears what
    each scheduled_start came to.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        writer: Writer,
        marks: Marks,
        clock: Clock,
        tell: Callable[[Fired], None],
    ) -> None:
        self._catalogue = catalogue
        self._writer = writer
        self._marks = marks
        self._clock = clock
        self._tell = tell
        self._entries: dict[Key, Entry] = {}
        self._news = asyncio.Event()

    def look(self) -> None:
        """Look at the catalogue now: flows have been registered, or retired."""
        self._news.set()

    async def run(self) -> None:
        """Fire for ever; to be supervised. The database may be away."""
        while True:
            self._news.clear()
            try:
                wait_s = await self.turn()
            except LogError as error:
                _log.warning("schedules wait for the database: %s", error)
                wait_s = FIRST_RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()

    async def turn(self) -> float:
        """Make what is due; tells in how many seconds to look again.

        Raises:
            LogError: the database does not answer.
        """
        self._entries = follow(self._entries, self._catalogue)
        if not self._entries:
            return LOOK_S
        now = await self._clock()
        await self._start_all_due(
            [each for each in self._entries.values() if each.look_at <= now], now
        )
        next_at = min(each.look_at for each in self._entries.values())
        return max(0.001, min(LOOK_S, (next_at - now).total_seconds()))

    async def _start_all_due(self, due: Sequence[Entry], now: datetime) -> None:
        marks = await self._marks.of([each.key for each in due]) if due else {}
        for first in range(0, len(due), AT_ONCE):
            some = due[first : first + AT_ONCE]
            await asyncio.gather(
                *(self._start_due(each, marks.get(each.key), now) for each in some)
            )

    async def _start_due(self, entry: Entry, mark: Mark | None, now: datetime) -> None:
        scheduled_start = due_start(entry, mark, now)
        if scheduled_start is None:
            self._go_on(entry, now)
            return
        try:
            done = await self._start(entry, scheduled_start)
            await self._marks.make(entry.key, done)
        except (Unavailable, LogError) as error:
            self._put_off(entry, now)
            _log.warning("flow %s waits at its due time: %s", _named(entry, scheduled_start), error)
        except Exception:  # noqa: BLE001 - a bug about one flow keeps no other from its due time
            self._put_off(entry, now)
            _log.exception("flow %s could not be started", _named(entry, scheduled_start))
        else:
            self._go_on(entry, now)

    async def _start(self, entry: Entry, scheduled_start: ScheduledStart) -> Mark:
        flow = entry.flow
        command = StartRun(
            tenant=flow.tenant,
            origin=ORIGIN,
            fullname=flow.fullname,
            payload=flow.definition["periodic"].get("payload", {}),
            trigger="schedule",
            scheduled_start=scheduled_start,
        )
        try:
            outcome = await self._writer.submit(command)
        except Unavailable:
            raise
        except ServiceError as refusal:
            reason = str(refusal)[:MOST_REASON]
            _log.warning("flow %s is not started: %s", _named(entry, scheduled_start), reason)
            self._tell("refused")
            return Mark(scheduled_start.due_at, "refused", reason)
        self._tell("repeated" if outcome.replayed else "started")
        return Mark(scheduled_start.due_at, "started")

    def _go_on(self, entry: Entry, now: datetime) -> None:
        entry.failures = 0
        entry.look_at = entry.schedule.after(now)

    def _put_off(self, entry: Entry, now: datetime) -> None:
        self._tell("delayed")
        pause_s = min(FIRST_RETRY_S * 2**entry.failures, LONGEST_RETRY_S)
        entry.failures = min(entry.failures + 1, 10)
        # At the next due time that one is made instead.
        entry.look_at = min(now + timedelta(seconds=pause_s), entry.schedule.after(now))


def follow(entries: Mapping[Key, Entry], catalogue: Catalogue) -> dict[Key, Entry]:
    """Bring the entries to the catalogue: what has not changed there stays as it is."""
    following: dict[Key, Entry] = {}
    for flow, since in _scheduled(catalogue):
        key = (flow.tenant, flow.fullname)
        entry = entries.get(key)
        if entry is None or entry.flow is not flow:
            schedule = schedule_in(flow.definition)
            if schedule is None:
                continue
            entry = Entry(flow, schedule, since)
        following[key] = entry
    return following


def _scheduled(catalogue: Catalogue) -> Iterable[tuple[Flow, datetime]]:
    for tenant_catalogue in catalogue.all_tenants:
        for flow in tenant_catalogue.current:
            if "periodic" in flow.definition:
                yield flow, tenant_catalogue.due_since[flow.fullname]


def due_start(entry: Entry, mark: Mark | None, now: datetime) -> ScheduledStart | None:
    """Say which due time of a flow is to be made now; None: there is none, or it was answered.

    That is the last one up to now, however many have passed.
    """
    due_at = entry.schedule.until(now)
    answered = entry.since if mark is None else max(entry.since, mark.due_at)
    if due_at <= answered:
        return None
    late_s = int((now - due_at).total_seconds())
    return ScheduledStart(due_at, entry.flow.version, late_s, _missed(entry, mark, due_at))


def _missed(entry: Entry, mark: Mark | None, due_at: datetime) -> int | None:
    if mark is None:
        # Either nothing was due before, or this ledger was moved here and nobody knows.
        return 0 if due_at == entry.schedule.after(entry.since) else None
    passed = entry.schedule.between(max(entry.since, mark.due_at), due_at)
    return sum(1 for _ in islice(passed, MOST_MISSED))


def _named(entry: Entry, scheduled_start: ScheduledStart) -> str:
    return (
        f"{entry.flow.fullname} of {entry.flow.tenant}, due {scheduled_start.due_at.isoformat()},"
    )
