"""Child processes that load the segments of a rebuild, at low priority, beside serving."""

from __future__ import annotations

import asyncio
import copyreg
import gc
import importlib
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import connection as sentinels
from multiprocessing import get_context, parent_process
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import asyncpg
import uvloop

from events.database import DRIVER_ERRORS, OPERATOR_TIMEOUT_S, STATEMENT_TIMEOUT_S, Database, load
from events.envelope import Position
from events.errors import LogError
from events.store import Log
from projections.bulk.bulk_loader import BulkLoader
from projections.bulk.segments import Segment
from projections.errors import ApplyEventError, ProjectionError, RebuildFailed
from projections.flow_versions import FlowVersions
from projections.projection import Version

NICENESS: Final = 10
"""How much workers lower their priority, for the service on the same machine."""

_SQL: Final = Path(__file__).parents[1] / "sql"


class AlreadyDone(Exception):
    """Another process has loaded this segment already, so its rows are rolled back here."""


@dataclass(frozen=True, slots=True)
class FoldFailure:
    """Why a segment could not be loaded, and the event at fault; sent between processes."""

    reason: str
    position: Position | None = None


class SegmentFailed(RebuildFailed):
    """A segment of history could not be loaded."""

    def __init__(self, failure: FoldFailure) -> None:
        super().__init__(failure.reason)
        self.position = failure.position


@dataclass(frozen=True, slots=True)
class LoadJob:
    """What workers load: a version up to a target, for a rebuild."""

    url: str
    rebuild_id: str
    version: Version
    target: Position
    skipped: frozenset[Position]


Load = Callable[[Segment], Future[FoldFailure | None]]
"""Loads a segment in one of the workers."""


def default_workers() -> int:
    """Give the number of workers if none is requested: half the cores, the rest is for serving."""
    return max(1, (os.cpu_count() or 1) // 2)


@asynccontextmanager
async def start_workers(job: LoadJob, count: int) -> AsyncIterator[Load]:
    """Start worker processes, each with a connection of its own; they end with this process."""
    copyreg.pickle(ModuleType, _reduce_module)
    executor = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_start, initargs=(job,)
    )
    try:
        yield lambda segment: executor.submit(_load, segment)
    finally:
        # A worker may be stopped at any point: a segment's transaction is committed or undone.
        for process in list(executor._processes.values()):  # noqa: SLF001 - it has no other way
            process.terminate()
        await asyncio.to_thread(executor.shutdown, cancel_futures=True)


async def load_segments(
    load: Load,
    segments: Sequence[Segment],
    *,
    concurrency: int,
    max_rate: int | None,
    cancelled: Callable[[], Awaitable[bool]],
) -> None:
    """Load segments, at most ``max_rate`` events per second, until done or cancelled.

    Raises:
        SegmentFailed: one could not be loaded.
    """
    started_at, events = time.monotonic(), 0
    running: set[asyncio.Future[FoldFailure | None]] = set()
    for segment in segments:
        while len(running) >= concurrency:
            running = await _next_done(running)
        ahead_s = events / max_rate if max_rate else 0.0
        while (left_s := started_at + ahead_s - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, 1.0))
            if await cancelled():
                return
        if await cancelled():
            return
        running.add(asyncio.wrap_future(load(segment)))
        events += segment.up_to - segment.after
    while running:
        running = await _next_done(running)


async def _next_done(
    running: set[asyncio.Future[FoldFailure | None]],
) -> set[asyncio.Future[FoldFailure | None]]:
    done, pending = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for each in done:
        if failure := each.result():
            raise SegmentFailed(failure)
    return pending


def worker_died(error: BrokenProcessPool) -> RebuildFailed:
    """Make the error for a worker that was killed; finished segments stay."""
    return RebuildFailed(f"a worker process ended at once, killed or out of memory: {error}")


# What follows runs in the worker processes.

_worker: dict[str, Any] = {}


def _reduce_module(module: ModuleType) -> tuple[Any, tuple[str]]:
    return importlib.import_module, (module.__name__,)


def _start(job: LoadJob) -> None:
    os.nice(NICENESS)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # States live until their segment is written and have no cycles, so a collection finds nothing.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    _worker.update(runner=runner, loader=runner.run(_open(job)), rebuild_id=job.rebuild_id)


def _exit_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # noqa: S101 - it was spawned
    sentinels.wait([parent.sentinel])
    os._exit(1)


async def _open(job: LoadJob) -> BulkLoader:
    database = Database(job.url, statement_timeout_s=OPERATOR_TIMEOUT_S)
    pool = await database.open_pool(max_size=1, statement_timeout_s=STATEMENT_TIMEOUT_S)
    return BulkLoader(
        job.version.projection,
        schema=job.version.schema,
        connection=await database.connect(),
        flows=FlowVersions(Log(pool)),
        skipped=job.skipped,
        target=job.target,
    )


def _load(segment: Segment) -> FoldFailure | None:
    failure: FoldFailure | None = _worker["runner"].run(_load_or_explain(segment))
    return failure


async def _load_or_explain(segment: Segment) -> FoldFailure | None:
    async def mark_done(connection: asyncpg.Connection) -> None:
        parameters = (_worker["rebuild_id"], segment.number)
        if not await connection.fetchval(load(_SQL, "segment_done"), *parameters):
            raise AlreadyDone

    try:
        await _worker["loader"].load(segment, mark_done)
    except AlreadyDone:
        return None
    except ApplyEventError as error:
        return FoldFailure(f"{error}: {error.reason}", error.first)
    except (ProjectionError, LogError, *DRIVER_ERRORS) as error:
        return FoldFailure(str(error))
    return None
