"""A worker: claims what waits, drives it, and takes over what silent workers left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from events import types
from events.bodies import RunQueued
from events.envelope import Event, Position
from events.errors import LogError, LogUnavailable
from events.follow import Feed
from projections.errors import ProjectionError
from service.errors import ServiceError, Unavailable
from service.executors import sanitize
from service.executors.driver import Claim, Driver, Tools
from service.executors.heartbeats import Workers
from service.origin import Origin
from service.runs.domain.commands import ClaimRun, Command, ReportedEvent, TimeOutRun
from service.runs.domain.errors import ClaimLost
from service.runs.read.queries import Queries

MAX_CRASHES: Final = 3
"""A run that this worker failed to drive so often has failed."""

LEFT_ALONE_S: Final = 60.0
"""How long a worker leaves a run alone that the ledger cannot go on with."""

LAST_WORD_S: Final = 5.0
"""How long a worker that stops may take to report what has ended already."""

_AWAY: Final = (LogUnavailable, Unavailable)
_REFUSED: Final = (LogError, ServiceError, ProjectionError)
_log = logging.getLogger(__name__)

Row = Mapping[str, Any]
"""A run as the read model `dispatch` shows it."""


class Dispatcher:
    """One worker of the ledger; a UUID a process start."""

    def __init__(
        self,
        *,
        worker: str,
        slots: int,
        tools: Tools,
        feed: Feed,
        queries: Queries,
        workers: Workers,
    ) -> None:
        self._worker = worker
        self._slots = slots
        self._tools = tools
        self._feed = feed
        self._queries = queries
        self._workers = workers
        self._origin = Origin(actor=f"worker:{worker}", source="executor")
        self._drivers: dict[str, Driver] = {}
        self._driving: set[asyncio.Task[None]] = set()
        self._crashes: Counter[str] = Counter()
        self._left_alone: dict[str, float] = {}
        self._orphans: Sequence[Row] = ()
        self._routed: Position | None = None
        self._look = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._closing = False

    @property
    def slots(self) -> int:
        """How many runs this worker drives at a time."""
        return self._slots

    @property
    def running(self) -> int:
        """How many runs are in this worker's hands."""
        return len(self._drivers)

    async def run(self) -> None:
        """Work until cancelled; what is driven goes on while this is started again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._route(), name="route events to runs")
            group.create_task(self._beat(), name="heartbeat")
            group.create_task(self._stop_when_mute(), name="stop when mute")
            group.create_task(self._claim_on(), name="claim what waits")
            group.create_task(self._sweep(), name="find orphans and time out")

    async def close(self, grace_s: float) -> None:
        """Claim nothing more, let what runs end within the grace period, stop the rest, leave.

        Call it while `run` still runs: reports come back through the log.
        """
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S), self._claiming:
                pass  # what was being claimed has its driver now
        for driver in self._drivers.values():
            driver.drain()
        await self._until_idle(grace_s)
        for driver in self._drivers.values():
            driver.stop()
        await self._until_idle(LAST_WORD_S)
        for task in self._driving:
            task.cancel()
        await self._until_idle(LAST_WORD_S)
        with contextlib.suppress(LogError):  # away: then others wait out the silence
            await self._workers.leave()

    async def _until_idle(self, timeout_s: float) -> None:
        if self._driving:
            await asyncio.wait(self._driving, timeout=timeout_s)

    async def _route(self) -> None:
        # Started again, it goes on where it was: a driver may miss nothing of its run.
        if self._routed is None:
            self._routed = self._feed.head
        async for events in self._feed.subscribe(self._routed):
            mine: defaultdict[str, list[Event]] = defaultdict(list)
            for event in events:
                run_id = types.run_id_of(event.stream)
                if run_id in self._drivers:
                    mine[run_id].append(event)
                elif _concerns_waiting(event):
                    self._look.set()
            for run_id, news in mine.items():
                self._drivers[run_id].offer(news)
            self._routed = events[-1].position

    async def _beat(self) -> None:
        while True:
            with _trouble("the heartbeat"):
                await self._workers.beat()
                self._look.set()
            await asyncio.sleep(self._workers.pace.beat_s)

    async def _stop_when_mute(self) -> None:
        while True:
            await asyncio.sleep(self._workers.pace.beat_s / 4)
            going_on = [driver for driver in self._drivers.values() if not driver.stopped]
            if going_on and self._workers.mute:
                _log.error("worker %s cannot beat: it stops its tasks", self._worker)
                for driver in going_on:
                    driver.stop()

    async def _claim_on(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            with _trouble("claiming runs"):
                async with self._claiming:
                    await self._claim_while_free()

    async def _claim_while_free(self) -> None:
        while self._orphans and (free := self._free()):
            rows, self._orphans = self._orphans[:free], self._orphans[free:]
            await self._claim_all(rows)
        # Where all are lost others are at it, and their claims call for another look.
        while (free := self._free()) and (rows := await self._waiting(free)):
            if not any(await self._claim_all(rows)):
                return

    async def _waiting(self, free: int) -> Sequence[Row]:
        await self._queries.reached("dispatch", self._feed.head)
        rows = await self._queries.waiting(free + len(self._left_alone))
        return [row for row in rows if row["run_id"] not in self._left_alone][:free]

    def _free(self) -> int:
        if self._closing or self._workers.mute:
            return 0
        return max(0, self._slots - len(self._drivers))

    async def _claim_all(self, rows: Sequence[Row]) -> list[bool]:
        answers = await asyncio.gather(*map(self._claim, rows), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer is True for answer in answers]

    async def _claim(self, row: Row) -> bool:
        run_id = row["run_id"]
        if run_id in self._drivers:
            return False
        claim = Claim(row["tenant"], run_id, self._worker, row["epoch"] + 1)
        driver = self._drivers[run_id] = Driver(claim, self._tools)  # so that it misses no event
        try:
            await self._submit(
                ClaimRun(claim.tenant, self._origin, run_id, claim.worker, claim.epoch)
            )
        except ClaimLost:
            del self._drivers[run_id]
            return False
        except BaseException as error:
            del self._drivers[run_id]
            if isinstance(error, _AWAY) or not isinstance(error, _REFUSED):
                raise
            self._leave_alone(run_id, error)
            return False
        task = asyncio.create_task(self._drive(driver), name=f"run {run_id}")
        self._driving.add(task)
        task.add_done_callback(self._driving.discard)
        return True

    async def _drive(self, driver: Driver) -> None:
        run_id = driver.claim.run_id
        try:
            await driver.run()
        except _AWAY as error:
            _log.warning("run %s is let go: %s", run_id, error)
        except Exception as error:  # noqa: BLE001 - a worker outlives any of its runs
            _log.exception("run %s is let go", run_id)
            await self._count_crash(driver.claim, error)
        else:
            self._crashes.pop(run_id, None)
        finally:
            del self._drivers[run_id]
            self._look.set()

    async def _count_crash(self, claim: Claim, error: Exception) -> None:
        self._crashes[claim.run_id] += 1
        if self._crashes[claim.run_id] < MAX_CRASHES:
            return  # it is taken over at the next sweep
        said = f"the worker failed to drive the run: {type(error).__name__}: {error}"
        data = {"reason": "error", "exception": sanitize.text(said)[: sanitize.MAX_EXCEPTION]}
        try:
            await self._submit(
                claim.report([ReportedEvent(str(uuid4()), types.RUN_FAILED, None, data)])
            )
        except _REFUSED as refusal:
            self._leave_alone(claim.run_id, refusal)

    def _leave_alone(self, run_id: str, error: BaseException) -> None:
        _log.error("run %s is left alone for %.0f s: %s", run_id, LEFT_ALONE_S, error)
        self._left_alone[run_id] = asyncio.get_running_loop().time() + LEFT_ALONE_S

    async def _sweep(self) -> None:
        while True:
            with _trouble("looking for runs left behind"):
                self._orphans = [*await self._left_behind(), *await self._delayed()]
                self._look.set()
            with _trouble("timing out runs"):
                await self._time_out()
            await asyncio.sleep(self._workers.pace.beat_s)

    async def _left_behind(self) -> Sequence[Row]:
        now = asyncio.get_running_loop().time()
        self._left_alone = {run: until for run, until in self._left_alone.items() if until > now}
        rows = await self._queries.claimed()
        others = {row["worker"] for row in rows} - {self._worker}
        # Its own are those it has let go of.
        gone = await self._workers.silent(others) | {self._worker}
        busy = self._left_alone.keys() | self._drivers.keys()
        return [row for row in rows if row["worker"] in gone and row["run_id"] not in busy]

    async def _delayed(self) -> Sequence[Row]:
        """Find the runs that had to wait before anybody took them, and now need not."""
        rows = await self._queries.overdue()
        busy = self._left_alone.keys() | self._drivers.keys()
        return [row for row in rows if _is_delayed(row) and row["run_id"] not in busy]

    async def _time_out(self) -> None:
        for row in await self._queries.overdue():
            if _is_delayed(row):
                continue
            with _trouble(f"timing out run {row['run_id']}"):
                await self._submit(TimeOutRun(row["tenant"], self._origin, row["run_id"]))

    async def _submit(self, command: Command) -> None:
        await self._tools.writer.submit(command, internal=True)


def new_worker() -> str:
    """Name a worker: a UUID a process start."""
    return str(uuid4())


def _concerns_waiting(event: Event) -> bool:
    # What another worker has claimed is gone from what waits; this one may have lost to it.
    if event.type == types.RUN_QUEUED:
        queued: RunQueued = event.data
        return queued["executor"] == "in_process"
    return event.type == types.RUN_CLAIMED


def _is_delayed(row: Row) -> bool:
    return bool(row["executor"] == "in_process" and row["status"] == "queued")


@contextlib.contextmanager
def _trouble(doing: str) -> Iterator[None]:
    """Keep a worker going while the database is away, or a run is broken; it looks again soon."""
    try:
        yield
    except _REFUSED as error:
        _log.warning("%s failed, will be tried again: %s", doing, error)
