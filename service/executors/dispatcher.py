"""A worker: claims what waits, drives it, and takes over what silent workers left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from events import types
from events.envelope import Event, Position
from events.errors import LogError
from events.follow import Feed
from service.errors import RunEnded, Unavailable
from service.executors.driver import Claim, Driver, Tools
from service.executors.workers import BEAT_S, Workers
from service.runs.commands import ClaimRun, Command, Origin, TimeOutRun
from service.runs.errors import ClaimLost
from service.runs.queries import Queries

_log = logging.getLogger(__name__)


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
        self._routed = Position(0)
        self._look = asyncio.Event()
        self._closing = False

    async def run(self) -> None:
        """Work until cancelled."""
        await self._workers.beat()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._workers.run(), name="heartbeat")
            group.create_task(self._route(), name="route events to runs")
            group.create_task(self._claim_waiting(), name="claim what waits")
            group.create_task(self._sweep(), name="take over and time out")
            group.create_task(self._fall_silent(), name="stop when mute")

    async def close(self, grace_s: float) -> None:
        """Claim nothing more, let what runs end within the grace period, stop the rest, leave.

        Call it while `run` still runs: reports come back through the log.
        """
        self._closing = True
        for driver in self._drivers.values():
            driver.drain()
        if self._driving:
            await asyncio.wait(self._driving, timeout=grace_s)
        await self._stop_all()
        with contextlib.suppress(LogError):  # away: then others wait out the silence
            await self._workers.leave()

    async def _route(self) -> None:
        async for events in self._feed.subscribe(self._feed.head):
            mine: defaultdict[str, list[Event]] = defaultdict(list)
            for event in events:
                run_id = types.run_id_of(event.stream)
                if run_id in self._drivers:
                    mine[run_id].append(event)
                elif event.type == types.RUN_QUEUED:
                    self._look.set()
            self._routed = events[-1].position
            for run_id, driver in self._drivers.items():
                driver.offer(mine.get(run_id, ()), self._routed)

    async def _claim_waiting(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._look.wait()
            self._look.clear()
            with _trouble("looking for runs that wait"):
                await self._claim_while_free()

    async def _claim_while_free(self) -> None:
        while (free := self._free()) > 0:
            await self._queries.reached("dispatch", self._feed.head)
            rows = await self._queries.waiting(free)
            if not rows:
                return
            await asyncio.gather(*(self._claim(row) for row in rows))

    def _free(self) -> int:
        return 0 if self._closing or self._workers.mute else self._slots - len(self._drivers)

    async def _claim(self, row: Mapping[str, Any]) -> None:
        run_id, tenant, epoch = row["run_id"], row["tenant"], row["epoch"] + 1
        claim = Claim(tenant=tenant, run_id=run_id, worker=self._worker, epoch=epoch)
        driver = Driver(claim, self._tools)
        if run_id in self._drivers:
            return
        self._drivers[run_id] = driver  # before the claim, so that no event of it is missed
        try:
            await self._submit(
                ClaimRun(
                    tenant=tenant,
                    origin=self._origin,
                    run_id=run_id,
                    worker=self._worker,
                    epoch=epoch,
                )
            )
        except BaseException as error:
            del self._drivers[run_id]
            if isinstance(error, ClaimLost | RunEnded):
                return  # another worker was faster
            raise
        driver.offer((), self._routed)
        task = asyncio.create_task(self._drive(driver), name=f"run {run_id}")
        self._driving.add(task)
        task.add_done_callback(self._driving.discard)

    async def _drive(self, driver: Driver) -> None:
        try:
            await driver.run()
        except Exception:  # noqa: BLE001 - a worker outlives any of its runs
            _log.exception("run %s is let go and will be taken over", driver.claim.run_id)
        finally:
            del self._drivers[driver.claim.run_id]
            self._look.set()

    async def _sweep(self) -> None:
        while True:
            with _trouble("taking over runs"):
                await self._take_over()
            with _trouble("timing out runs"):
                await self._time_out()
            await asyncio.sleep(BEAT_S)

    async def _take_over(self) -> None:
        rows = [row for row in await self._queries.claimed() if row["run_id"] not in self._drivers]
        others = {row["worker"] for row in rows} - {self._worker}
        gone = await self._workers.silent(others) if others else set()
        for row in rows:
            if self._free() <= 0:
                return
            if row["worker"] == self._worker or row["worker"] in gone:
                await self._claim(row)

    async def _time_out(self) -> None:
        for row in await self._queries.overdue():
            with contextlib.suppress(RunEnded):
                await self._submit(
                    TimeOutRun(tenant=row["tenant"], origin=self._origin, run_id=row["run_id"])
                )

    async def _submit(self, command: Command) -> None:
        await self._tools.writer.submit(command, inside=True)

    async def _fall_silent(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S / 4)
            if self._workers.mute and self._driving:
                _log.error("worker %s cannot beat: it stops its tasks", self._worker)
                await self._stop_all()

    async def _stop_all(self) -> None:
        driving: Sequence[asyncio.Task[None]] = tuple(self._driving)
        for task in driving:
            task.cancel()
        if driving:
            await asyncio.wait(driving)


def new_worker() -> str:
    """Name a worker: a UUID a process start."""
    return str(uuid4())


@contextlib.contextmanager
def _trouble(doing: str) -> Iterator[None]:
    """Keep a worker going while the database is away; it looks again soon."""
    try:
        yield
    except (LogError, Unavailable) as error:
        _log.warning("%s failed, will be tried again: %s", doing, error)
