"""The child processes that fold the parts of a rebuild: never in a serving loop, and nicer."""

from __future__ import annotations

import asyncio
import copyreg
import gc
import importlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import connection as waiting
from multiprocessing import get_context, parent_process
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import asyncpg
import uvloop

from events.database import DRIVER_ERRORS, connect, connect_pool, load
from events.envelope import Position
from events.errors import LogError
from events.store import Log
from projections.bulk.bulk_loader import Folding
from projections.bulk.segments import Part
from projections.errors import ApplyEventError, ProjectionError, RebuildFailed
from projections.flow_versions import Flows
from projections.projection import Version

NICER: Final = 10
"""How far workers step back for whoever serves on the same machine."""

_SQL: Final = Path(__file__).parents[1] / "sql"


class AlreadyDone(Exception):
    """A part that another process has done already: its rows are there, these are not needed."""


@dataclass(frozen=True, slots=True)
class FoldFailure:
    """Why a part could not be folded, and the position at fault, as it goes between processes."""

    reason: str
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker folds for: a version up to a target, for a rebuild."""

    url: str
    rebuild_id: str
    version: Version
    target: Position
    skipped: frozenset[Position]


@asynccontextmanager
async def workers(
    work: Work, count: int
) -> AsyncIterator[Callable[[Part], Future[FoldFailure | None]]]:
    """Have so many processes at hand, each with one connection; gives what folds a part in one.

    They end with the process that began them, however that ends.
    """
    copyreg.pickle(ModuleType, _by_name)
    executor = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_begin, initargs=(work,)
    )
    try:
        yield lambda part: executor.submit(_fold, part)
    finally:
        # A part that is being folded is let go: its transaction has marked it done, or nothing.
        for process in list(executor._processes.values()):  # noqa: SLF001 - it has no other way
            process.terminate()
        await asyncio.to_thread(executor.shutdown, cancel_futures=True)


def _by_name(module: ModuleType) -> tuple[Any, tuple[str]]:
    return importlib.import_module, (module.__name__,)


_at_work: dict[str, Any] = {}


def _begin(work: Work) -> None:
    os.nice(NICER)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # States live until their part is written and have no cycles: collecting finds nothing.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    _at_work.update(runner=runner, folding=runner.run(_open(work)), rebuild_id=work.rebuild_id)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # noqa: S101 - it was spawned
    waiting.wait([parent.sentinel])
    os._exit(1)


async def _open(work: Work) -> Folding:
    log = Log(await connect_pool(work.url, max_size=1))
    return Folding(
        work.version.projection,
        schema=work.version.schema,
        connection=await connect(work.url),
        flows=Flows(log),
        skipped=work.skipped,
        target=work.target,
    )


def _fold(part: Part) -> FoldFailure | None:
    rebuild_id = _at_work["rebuild_id"]

    async def mark(connection: asyncpg.Connection) -> None:
        if not await connection.fetchval(load(_SQL, "part_done"), rebuild_id, part.number):
            raise AlreadyDone

    async def fold() -> FoldFailure | None:
        try:
            await _at_work["folding"].fold(part, mark)
        except AlreadyDone:
            return None
        except ApplyEventError as error:
            return FoldFailure(f"{error}: {error.reason}", error.first)
        except (ProjectionError, LogError, *DRIVER_ERRORS) as error:
            return FoldFailure(str(error))
        return None

    failure: FoldFailure | None = _at_work["runner"].run(fold())
    return failure


def died(error: BrokenProcessPool) -> RebuildFailed:
    """Say that a worker was killed; the parts that are done stay."""
    return RebuildFailed(f"a process that folded ended at once, killed or out of memory: {error}")
