"""A worker: claims waiting runs, drives them, and takes over the runs of dead workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import uuid4

from events import types
from events.bodies import RunQueued
from events.envelope import Event, Position
from events.errors import LogError, LogUnavailable
from events.follow import Feed
from projections.errors import ProjectionError
from projections.read_models.dispatch.apply import Dispatch
from service.access import Origin
from service.errors import ServiceError, Unavailable
from service.executors import sanitize
from service.executors.driver import Claim, Driver, DriverDeps
from service.executors.heartbeats import Heartbeats
from service.hold import Hold
from service.runs.domain.commands import ClaimRun, Command, ReportedEvent, TimeOutRun
from service.runs.domain.errors import ClaimLost
from service.runs.read.positions import ReadModelPositions
from service.runs.read.queries import Queries

MAX_CRASHES: Final = 3
"""After so many failures to drive a run, this worker reports it as failed."""

QUARANTINE_S: Final = 60.0
"""How long a worker does not claim a run again whose claim the ledger refused."""

FLUSH_TIMEOUT_S: Final = 5.0
"""How long a stopping worker may take to report the tasks that have ended."""

_UNREACHABLE: Final = (LogUnavailable, Unavailable)
_EXPECTED: Final = (LogError, ServiceError, ProjectionError)
_log = logging.getLogger(__name__)


class Dispatcher:
    """One worker; its id is a new UUID at each process start."""

    def __init__(
        self,
        *,
        worker: str,
        slots: int,
        deps: DriverDeps,
        feed: Feed,
        queries: Queries,
        positions: ReadModelPositions,
        heartbeats: Heartbeats,
        hold: Hold,
    ) -> None:
        self._worker = worker
        self._slots = slots
        self._deps = deps
        self._feed = feed
        self._queries = queries
        self._positions = positions
        self.heartbeats = heartbeats
        self._hold = hold
        self._origin = Origin(actor=f"worker:{worker}", source="executor")
        self._drivers: dict[str, Driver] = {}
        self._driver_tasks: set[asyncio.Task[None]] = set()
        self._crashes: Counter[str] = Counter()
        self._quarantined: dict[str, float] = {}
        self._orphans: Sequence[Dispatch] = ()
        self._routed_to: Position | None = None
        self._wake = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._closing = False

    @property
    def slots(self) -> int:
        """How many runs this worker drives at a time."""
        return self._slots

    @property
    def running(self) -> int:
        """How many runs this worker drives now."""
        return len(self._drivers)

    async def run(self) -> None:
        """Work until cancelled. Driven runs go on if this is cancelled and started again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._route(), name="route events to runs")
            group.create_task(self._beat(), name="heartbeat")
            group.create_task(self._stop_when_isolated(), name="stop when isolated")
            group.create_task(self._claim_when_woken(), name="claim waiting runs")
            group.create_task(self._sweep(), name="find orphans and time out")

    async def close(self, grace_s: float) -> None:
        """Stop claiming, drain for the grace period, stop the rest, and sign off.

        Call it while `run` still runs: drivers see their own reports through the log.
        """
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT_S), self._claiming:
                pass  # claims in flight have their drivers now
        for driver in self._drivers.values():
            driver.drain()
        await self._until_idle(grace_s)
        for driver in self._drivers.values():
            driver.stop()
        await self._until_idle(FLUSH_TIMEOUT_S)
        for task in self._driver_tasks:
            task.cancel()
        await self._until_idle(FLUSH_TIMEOUT_S)
        with contextlib.suppress(LogError):  # unreachable: the heartbeat expires instead
            await self.heartbeats.leave()

    async def _until_idle(self, timeout_s: float) -> None:
        if self._driver_tasks:
            await asyncio.wait(self._driver_tasks, timeout=timeout_s)

    async def _route(self) -> None:
        # After a restart it continues where it was: a driver must see every event of its run.
        if self._routed_to is None:
            self._routed_to = self._feed.head
        async for events in self._feed.subscribe(self._routed_to):
            by_run: defaultdict[str, list[Event]] = defaultdict(list)
            for event in events:
                run_id = types.run_id_of(event.stream)
                if run_id in self._drivers:
                    by_run[run_id].append(event)
                elif _concerns_waiting(event):
                    self._wake.set()
            for run_id, new_events in by_run.items():
                self._drivers[run_id].deliver(new_events)
            self._routed_to = events[-1].position

    async def _beat(self) -> None:
        while True:
            with _logging_failures("the heartbeat"):
                await self.heartbeats.beat()
                self._wake.set()
            await asyncio.sleep(self.heartbeats.timing.interval_s)

    async def _stop_when_isolated(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeats.timing.interval_s / 4)
            active = [driver for driver in self._drivers.values() if not driver.stopped]
            if active and self.heartbeats.isolated:
                _log.error("worker %s cannot write its heartbeat: it stops its tasks", self._worker)
                for driver in active:
                    driver.stop()

    async def _claim_when_woken(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            with _logging_failures("claiming runs"):
                async with self._claiming:
                    await self._claim_while_free()

    async def _claim_while_free(self) -> None:
        while self._orphans and (free := self._free_slots()):
            rows, self._orphans = self._orphans[:free], self._orphans[free:]
            await self._claim_all(rows)
        # If every claim is lost, other workers are claiming, and their events wake this one again.
        while (free := self._free_slots()) and (rows := await self._next_waiting(free)):
            if not any(await self._claim_all(rows)):
                return

    async def _next_waiting(self, free: int) -> Sequence[Dispatch]:
        await self._positions.wait_for("dispatch", self._feed.head)
        rows = await self._queries.waiting(free + len(self._quarantined))
        return [row for row in rows if row["run_id"] not in self._quarantined][:free]

    def _free_slots(self) -> int:
        if self._closing or self.heartbeats.isolated or self._hold.held:
            return 0
        return max(0, self._slots - len(self._drivers))

    async def _claim_all(self, rows: Sequence[Dispatch]) -> list[bool]:
        answers = await asyncio.gather(*map(self._claim, rows), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer is True for answer in answers]

    async def _claim(self, row: Dispatch) -> bool:
        run_id = row["run_id"]
        if run_id in self._drivers:
            return False
        claim = Claim(row["tenant"], run_id, self._worker, row["epoch"] + 1)
        # Registered before the claim is appended, so that it misses no event.
        driver = self._drivers[run_id] = Driver(claim, self._deps)
        try:
            await self._submit(
                ClaimRun(claim.tenant, self._origin, run_id, claim.worker, claim.epoch)
            )
        except ClaimLost:
            del self._drivers[run_id]
            return False
        except BaseException as error:
            del self._drivers[run_id]
            if isinstance(error, _UNREACHABLE) or not isinstance(error, _EXPECTED):
                raise
            self._quarantine(run_id, error)
            return False
        task = asyncio.create_task(self._drive(driver), name=f"run {run_id}")
        self._driver_tasks.add(task)
        task.add_done_callback(self._driver_tasks.discard)
        return True

    async def _drive(self, driver: Driver) -> None:
        run_id = driver.claim.run_id
        try:
            await driver.run()
        except _UNREACHABLE as error:
            _log.warning("run %s: the worker stops driving it: %s", run_id, error)
        except Exception as error:  # noqa: BLE001 - a worker outlives any of its runs
            _log.exception("run %s: driving it failed", run_id)
            await self._count_crash(driver.claim, error)
        else:
            self._crashes.pop(run_id, None)
        finally:
            del self._drivers[run_id]
            self._wake.set()

    async def _count_crash(self, claim: Claim, error: Exception) -> None:
        self._crashes[claim.run_id] += 1
        if self._crashes[claim.run_id] < MAX_CRASHES:
            return  # the next sweep claims it again
        message = f"the worker failed to drive the run: {type(error).__name__}: {error}"
        data = {"reason": "error", "exception": sanitize.text(message)[: sanitize.MAX_EXCEPTION]}
        try:
            await self._submit(
                claim.report([ReportedEvent(str(uuid4()), types.RUN_FAILED, None, data)])
            )
        except _EXPECTED as refusal:
            self._quarantine(claim.run_id, refusal)

    def _quarantine(self, run_id: str, error: BaseException) -> None:
        _log.error("run %s is not claimed again for %.0f s: %s", run_id, QUARANTINE_S, error)
        self._quarantined[run_id] = asyncio.get_running_loop().time() + QUARANTINE_S

    async def _sweep(self) -> None:
        while True:
            with _logging_failures("looking for orphaned runs"):
                self._orphans = [*await self._find_orphans(), *await self._find_due_delayed()]
                self._wake.set()
            with _logging_failures("timing out runs"):
                await self._time_out()
            await asyncio.sleep(self.heartbeats.timing.interval_s)

    async def _find_orphans(self) -> Sequence[Dispatch]:
        now = asyncio.get_running_loop().time()
        self._quarantined = {run: until for run, until in self._quarantined.items() if until > now}
        rows = await self._queries.claimed()
        others = {worker for row in rows if (worker := row["worker"])} - {self._worker}
        # Runs that this worker has claimed but does not drive are orphans too.
        dead = await self.heartbeats.expired(others) | {self._worker}
        busy = self._quarantined.keys() | self._drivers.keys()
        return [row for row in rows if row["worker"] in dead and row["run_id"] not in busy]

    async def _find_due_delayed(self) -> Sequence[Dispatch]:
        """Find delayed runs whose delay is over and that nobody has claimed."""
        rows = await self._queries.overdue()
        busy = self._quarantined.keys() | self._drivers.keys()
        return [row for row in rows if _is_delayed(row) and row["run_id"] not in busy]

    async def _time_out(self) -> None:
        if self._hold.held:
            return
        for row in await self._queries.overdue():
            if _is_delayed(row):
                continue
            with _logging_failures(f"timing out run {row['run_id']}"):
                await self._submit(TimeOutRun(row["tenant"], self._origin, row["run_id"]))

    async def _submit(self, command: Command) -> None:
        await self._deps.writer.submit(command, internal=True)


def new_worker() -> str:
    """Make the id of a worker."""
    return str(uuid4())


def _concerns_waiting(event: Event) -> bool:
    # A claim by another worker takes a run from the queue: this one may have just lost it.
    if event.type == types.RUN_QUEUED:
        queued: RunQueued = event.data
        return queued["executor"] == "in_process"
    return event.type == types.RUN_CLAIMED


def _is_delayed(row: Dispatch) -> bool:
    return bool(row["executor"] == "in_process" and row["status"] == "queued")


@contextlib.contextmanager
def _logging_failures(doing: str) -> Iterator[None]:
    """Log expected errors and go on: the caller tries again soon."""
    try:
        yield
    except _EXPECTED as error:
        _log.warning("%s failed, will be tried again: %s", doing, error)
