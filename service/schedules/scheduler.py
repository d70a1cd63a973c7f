"""Starts flows at their due times: once each, whatever number of processes run."""

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
from service.access import Origin
from service.errors import ServiceError, Unavailable
from service.flows.catalogue import Catalogue
from service.flows.schedule import Schedule, schedule_in
from service.hold import Hold
from service.runs.domain.commands import ScheduledStart, StartRun
from service.runs.write.writer import Writer
from service.schedules.last_fired import FlowKey, LastFired, LastFiredTable

MAX_CONCURRENT_STARTS: Final = 50

MAX_WAIT_S: Final = 60.0
"""Seconds between two readings of the clock at most: somebody may have set it."""

FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0

MAX_MISSED: Final = 1000
"""Missed due times are counted up to this many."""

MAX_REASON: Final = 1000
"""Most characters stored of the reason why a start was refused."""

ORIGIN: Final = Origin(actor="schedule", source="schedule")

FiringOutcome = Literal["started", "repeated", "refused", "delayed"]
"""The result of a due time; ``repeated``: another process had started it already."""

Clock = Callable[[], Awaitable[datetime]]
"""Tells the time that all processes share: the database's, also while it is behind the log."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ScheduledFlow:
    """A flow with a schedule; due times up to ``since`` are not started.

    ``check_at`` is when it is checked next; ``failures`` counts the consecutive starts that the
    ledger could not take. ``seen_at`` is when this process checked it first.
    """

    flow: Flow
    schedule: Schedule
    since: datetime
    check_at: datetime = _LONG_AGO
    failures: int = 0
    seen_at: datetime | None = None

    @property
    def key(self) -> FlowKey:
        """The flow's tenant and fullname."""
        return self.flow.tenant, self.flow.fullname


class Scheduler:
    """Starts all flows that are due; any number of processes may run one.

    All times come from ``clock``, so that processes agree on what is due whatever their own clocks
    say. Of several missed due times of a flow only the last is started. ``on_result`` gets the
    outcome of each due time.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        writer: Writer,
        last_fired: LastFiredTable,
        clock: Clock,
        hold: Hold,
        on_result: Callable[[FiringOutcome], None],
    ) -> None:
        self._catalogue = catalogue
        self._writer = writer
        self._last_fired = last_fired
        self._clock = clock
        self._hold = hold
        self._on_result = on_result
        self._flows: dict[FlowKey, ScheduledFlow] = {}
        self._checked_at = _LONG_AGO
        self._wake = asyncio.Event()

    def notify(self) -> None:
        """Tell the scheduler that the catalogue has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Run for ever, under a supervisor; waits while the database is unavailable or on hold."""
        while True:
            await self._hold.until_none()
            self._wake.clear()
            try:
                wait_s = await self.start_all_due()
            except LogError as error:
                _log.warning("schedules wait for the database: %s", error)
                wait_s = FIRST_RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def start_all_due(self) -> float:
        """Start what is due; returns in how many seconds to call again.

        Raises:
            LogError: the database does not answer.
        """
        self._flows = scheduled_flows(self._flows, self._catalogue)
        if not self._flows:
            return MAX_WAIT_S
        now = await self._clock()
        for entry in self._flows.values():
            if entry.seen_at is None or now < self._checked_at:  # the clock was set back
                entry.seen_at, entry.check_at = now, _LONG_AGO
        self._checked_at = now
        await self._check([each for each in self._flows.values() if each.check_at <= now], now)
        next_at = min(each.check_at for each in self._flows.values())
        return max(0.001, min(MAX_WAIT_S, (next_at - now).total_seconds()))

    async def _check(self, flows: Sequence[ScheduledFlow], now: datetime) -> None:
        fired = await self._last_fired.read([each.key for each in flows]) if flows else {}
        for first in range(0, len(flows), MAX_CONCURRENT_STARTS):
            batch = flows[first : first + MAX_CONCURRENT_STARTS]
            await asyncio.gather(
                *(self._start_due(each, fired.get(each.key), now) for each in batch)
            )

    async def _start_due(self, entry: ScheduledFlow, last: LastFired | None, now: datetime) -> None:
        start = due_start(entry, last, now)
        if start is None:
            self._await_next(entry, now)
            return
        try:
            fired = await self._start(entry, start)
            await self._last_fired.record(entry.key, fired, now)
        except (Unavailable, LogError) as error:
            self._retry_later(entry, now)
            _log.warning("%s will be started later: %s", _described(entry, start), error)
        except Exception:  # noqa: BLE001 - an error of one flow must not delay the others
            self._retry_later(entry, now)
            _log.exception("%s could not be started", _described(entry, start))
        else:
            self._await_next(entry, now)

    async def _start(self, entry: ScheduledFlow, start: ScheduledStart) -> LastFired:
        flow = entry.flow
        command = StartRun(
            tenant=flow.tenant,
            origin=ORIGIN,
            fullname=flow.fullname,
            payload=flow.definition["periodic"].get("payload", {}),
            trigger="schedule",
            scheduled_start=start,
        )
        try:
            outcome = await self._writer.submit(command)
        except Unavailable:
            raise
        except ServiceError as refusal:
            reason = str(refusal)[:MAX_REASON]
            _log.warning("%s is not started: %s", _described(entry, start), reason)
            self._on_result("refused")
            return LastFired(start.due_at, "refused", reason)
        self._on_result("repeated" if outcome.replayed else "started")
        return LastFired(start.due_at, "started")

    def _await_next(self, entry: ScheduledFlow, now: datetime) -> None:
        entry.failures = 0
        entry.check_at = entry.schedule.after(now)

    def _retry_later(self, entry: ScheduledFlow, now: datetime) -> None:
        self._on_result("delayed")
        backoff_s = min(FIRST_RETRY_S * 2**entry.failures, MAX_RETRY_S)
        entry.failures = min(entry.failures + 1, 10)
        # The next due time replaces the one that is delayed.
        entry.check_at = min(now + timedelta(seconds=backoff_s), entry.schedule.after(now))


def scheduled_flows(
    previous: Mapping[FlowKey, ScheduledFlow], catalogue: Catalogue
) -> dict[FlowKey, ScheduledFlow]:
    """List the catalogue's flows with a schedule; entries of unchanged flows are reused."""
    entries: dict[FlowKey, ScheduledFlow] = {}
    for flow, since in _periodic(catalogue):
        key = (flow.tenant, flow.fullname)
        entry = previous.get(key)
        if entry is None or entry.flow is not flow:
            schedule = schedule_in(flow.definition)
            if schedule is None:
                continue
            entry = ScheduledFlow(flow, schedule, since)
        entries[key] = entry
    return entries


async def find_due(
    catalogue: Catalogue, last_fired: LastFiredTable, now: datetime
) -> list[tuple[FlowKey, datetime]]:
    """Find the flows that a scheduler would start now, each with its due time, in their order.

    Raises:
        LogUnavailable: the database does not answer.
    """
    flows = scheduled_flows({}, catalogue)
    fired = await last_fired.read(flows.keys()) if flows else {}
    starts = {key: due_start(entry, fired.get(key), now) for key, entry in sorted(flows.items())}
    return [(key, start.due_at) for key, start in starts.items() if start is not None]


def _periodic(catalogue: Catalogue) -> Iterable[tuple[Flow, datetime]]:
    for tenant_catalogue in catalogue.all_tenants:
        for flow in tenant_catalogue.current:
            if "periodic" in flow.definition:
                yield flow, tenant_catalogue.due_since[flow.fullname]


def due_start(entry: ScheduledFlow, last: LastFired | None, now: datetime) -> ScheduledStart | None:
    """Decide which due time of a flow to start now; None: none, or it was handled before.

    That is the latest one up to now, however many were missed.
    """
    due_at = entry.schedule.until(now)
    handled = _handled_until(entry, last, now)
    if due_at <= handled:
        return None
    late_s = int((now - due_at).total_seconds())
    return ScheduledStart(due_at, entry.flow.version, late_s, _missed(entry, last, handled, due_at))


def _handled_until(entry: ScheduledFlow, last: LastFired | None, now: datetime) -> datetime:
    """Find the moment up to which due times are handled.

    A moment after ``now`` is of a clock that was ahead, and says nothing. If there is no other, due
    times count from when this process saw the flow. The key of a start prevents a second one.
    """
    moments = [entry.since] if last is None else [entry.since, last.due_at]
    past = [moment for moment in moments if moment <= now]
    return max(past, default=entry.seen_at or now)


def _missed(
    entry: ScheduledFlow, last: LastFired | None, handled: datetime, due_at: datetime
) -> int | None:
    if last is None:
        # Either this is the first due time, or the ledger was moved here without the table.
        return 0 if due_at == entry.schedule.after(handled) else None
    return sum(1 for _ in islice(entry.schedule.between(handled, due_at), MAX_MISSED))


def _described(entry: ScheduledFlow, start: ScheduledStart) -> str:
    flow = entry.flow
    return f"flow {flow.fullname} of {flow.tenant}, due {start.due_at.isoformat()},"
