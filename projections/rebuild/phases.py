"""Carries a rebuild out, phase by phase; after a stop any process resumes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

from events.bodies import RebuildOutcome
from events.database import DRIVER_ERRORS, close_quietly, load
from events.envelope import Position
from events.errors import LogError
from events.follow import Feed
from projections.bulk.bulk_loader import finish
from projections.bulk.segments import Segment, split_history
from projections.errors import (
    ApplyEventError,
    ProjectionError,
    RebuildFailed,
    RebuildRefused,
)
from projections.flow_versions import FlowVersions
from projections.live.paused import skipped_events
from projections.live.runner import Runner
from projections.projection import Version
from projections.rebuild import jobs
from projections.rebuild.flip import drop_previous, flip
from projections.rebuild.jobs import Rebuild
from projections.rebuild.pool import (
    LoadJob,
    SegmentFailed,
    default_workers,
    load_segments,
    start_workers,
    worker_died,
)
from projections.rebuild.session import RebuildSession
from projections.rebuild.version_sync import (
    MAX_CATCH_UP_EVENTS,
    RETRY_S,
    Checkpoint,
    VersionPair,
)
from projections.registry import create_indexes, create_tables
from projections.verify.sample_verify import SampleVerification, verify

POLL_S: Final = 0.02
"""Seconds between two checks whether the new version has caught up."""

MAX_LAG_TO_COMPARE: Final = 10_000
"""Events that the serving version may be behind to be waited for and compared with."""

_SQL: Final = Path(__file__).parents[1] / "sql"


class Cancelled(RebuildFailed):
    """The rebuild was cancelled; what it had built is dropped."""


async def run_phases(session: RebuildSession, name: str) -> Rebuild:
    """Take a rebuild through its phases; each is recorded before the next one begins.

    Raises:
        RebuildFailed: it stopped; says why.
        LogError: the database does not answer.
    """
    phases = Phases(session)
    try:
        while (found := await session.find(name)).open:
            if found.cancel_requested and found.phase != "flipping":
                await phases.cancel(found)
                continue
            await phases.run(found)
    except BrokenProcessPool as error:
        raise await _record_failure(session, name, worker_died(error)) from error
    except (ProjectionError, LogError, *DRIVER_ERRORS) as error:
        raise await _record_failure(session, name, error) from error
    if found.phase == "cancelled":
        raise Cancelled
    return found


async def _record_failure(session: RebuildSession, name: str, error: Exception) -> Exception:
    """Record why a rebuild stopped, if the database answers; gives the error to raise."""
    position = error.position if isinstance(error, SegmentFailed) else None
    reason = str(error) or type(error).__name__
    with suppress(LogError, *DRIVER_ERRORS):
        found = await session.find(name)
        failure = (reason.replace("\0", "\\0"), position)
        await session.fetchval("fail_rebuild", found.rebuild_id, *failure)
    if isinstance(error, (RebuildRefused, RebuildFailed)):
        return error
    return RebuildFailed(f"the rebuild of {name} stopped: {reason}")


class Phases:
    """The phases of a rebuild; each may be run again after a stop."""

    def __init__(self, session: RebuildSession) -> None:
        self._session = session
        self._phases: dict[str, Callable[[Rebuild], Awaitable[None]]] = {
            "waiting": self._prepare,
            "folding": self._fold,
            "indexing": self._index,
            "catching up": self._catch_up,
            "verifying": self._verify_and_flip,
            "flipping": self._record_end,
        }

    async def run(self, rebuild: Rebuild) -> None:
        """Run the phase that a rebuild is in."""
        await self._phases[rebuild.phase](rebuild)

    def _version(self, rebuild: Rebuild) -> Version:
        return self._session.version(rebuild.name, rebuild.schema_version, rebuild.new_version)

    async def _move(
        self,
        rebuild: Rebuild,
        phase: str,
        target: Position | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        document = None if result is None else orjson.dumps(result).decode()
        args = (rebuild.rebuild_id, rebuild.phase, phase, target, document)
        await self._session.fetchval("move_rebuild", *args)

    async def _prepare(self, rebuild: Rebuild) -> None:
        session, version = self._session, self._version(rebuild)
        await jobs.record_start(session.log, rebuild)
        await drop_previous(session.connection, rebuild.name)
        target = await session.log.head()
        skipped = await self._skipped(version)
        segments = await split_history(session.connection, version.projection, target, skipped)
        async with session.connection.transaction():
            await create_tables(session.connection, version)
            await session.connection.execute(
                load(_SQL, "add_segments"),
                rebuild.rebuild_id,
                [segment.number for segment in segments],
                [segment.after for segment in segments],
                [segment.up_to for segment in segments],
                [orjson.dumps(segment.initial_counts).decode() for segment in segments],
            )
            await self._move(rebuild, "folding", target)

    async def _skipped(self, version: Version) -> frozenset[Position]:
        return frozenset(await skipped_events(self._session.log, version.name, version.number))

    async def _fold(self, rebuild: Rebuild) -> None:
        session, version = self._session, self._version(rebuild)
        statement = load(_SQL, "unfinished_segments")
        rows = await session.connection.fetch(statement, rebuild.rebuild_id)
        target, skipped = rebuild.target or Position(0), await self._skipped(version)
        job = LoadJob(session.database.url, rebuild.rebuild_id, version, target, skipped)
        count = min(rebuild.workers or default_workers(), max(len(rows), 1))
        if rows:
            async with start_workers(job, count) as load_one:
                await load_segments(
                    load_one,
                    [_segment(row) for row in rows],
                    concurrency=count,
                    max_rate=rebuild.most_rate,
                    cancelled=lambda: self._cancel_requested(rebuild),
                )
        if not await self._cancel_requested(rebuild):
            await self._move(rebuild, "indexing")

    async def _cancel_requested(self, rebuild: Rebuild) -> bool:
        return (await self._session.find(rebuild.name)).cancel_requested

    async def _index(self, rebuild: Rebuild) -> None:
        connection, version = self._session.connection, self._version(rebuild)
        async with connection.transaction():
            await connection.execute(load(_SQL, "set_search_path"), version.schema)
            await finish(connection, version.projection)
            await create_indexes(connection, version)
            await connection.execute(load(_SQL, "analyze"))
            release = (version.name, version.number, rebuild.target)
            await self._session.fetchval("release_version", *release)
            await self._move(rebuild, "catching up")

    async def _catch_up(self, rebuild: Rebuild) -> None:
        async with self._projecting(rebuild) as pair:
            while True:
                _, following = await pair.checkpoints(self._session.connection)
                _check_running(pair.following, following)
                if await self._session.log.head() - following.position < MAX_CATCH_UP_EVENTS:
                    await self._move(rebuild, "verifying")
                    return
                if await self._cancel_requested(rebuild):
                    return
                await asyncio.sleep(POLL_S)

    async def _verify_and_flip(self, rebuild: Rebuild) -> None:
        async with self._projecting(rebuild) as pair:
            result = (await self._verify(pair)).as_result()

            async def record(position: Position) -> None:
                held_ms = round(pair.longest_lock_s * 1000, 1)
                whole = {**result, "position": position, "held_ms": held_ms}
                await self._move(rebuild, "flipping", None, whole)

            await flip(self._session.connection, pair, record)

    async def _verify(self, pair: VersionPair) -> SampleVerification:
        session = self._session
        serving, following = await pair.checkpoints(session.connection)
        _check_running(pair.following, following)
        near = following.position - serving.position <= MAX_LAG_TO_COMPARE
        if serving.state == "running" and near and not await self._skipped(pair.serving):
            with suppress(ApplyEventError):
                async with pair.snapshot() as (connection, position):
                    return await verify(
                        connection, session.log, pair.serving, pair.following, position
                    )
        # The serving version lacks events, so only the log can be compared with.
        connection = await session.database.connect()
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                _, following = await pair.checkpoints(connection)
                return await verify(
                    connection, session.log, None, pair.following, following.position
                )
        finally:
            await close_quietly(connection)

    async def _record_end(self, rebuild: Rebuild) -> None:
        outcome: RebuildOutcome = "rolled back" if rebuild.purpose == "roll back" else "replaced"
        await jobs.record_end(self._session.log, rebuild, outcome)
        await self._session.fetchval("drop_segments", rebuild.rebuild_id)
        await self._move(rebuild, "finished")

    async def cancel(self, rebuild: Rebuild) -> None:
        """Drop what a rebuild has built."""
        session = self._session
        if rebuild.phase != "waiting":
            await jobs.record_end(session.log, rebuild, "cancelled")
        async with session.connection.transaction():
            await session.fetchval("drop_version", rebuild.name, rebuild.new_version)
            await session.fetchval("drop_segments", rebuild.rebuild_id)
            await self._move(rebuild, "cancelled")

    @asynccontextmanager
    async def _projecting(self, rebuild: Rebuild) -> AsyncIterator[VersionPair]:
        """Run projectors for both versions here too: there may be no service that does."""
        session, version = self._session, self._version(rebuild)
        serving = await session.serving(rebuild.name)
        database = session.database
        feed = Feed(session.log)
        runner = Runner(feed, database, session.known_of(rebuild.name), FlowVersions(session.log))
        tasks = [asyncio.create_task(_run_feed(feed)), asyncio.create_task(runner.run())]
        try:
            yield VersionPair(database, session.log, serving, version)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _run_feed(feed: Feed) -> None:
    """Run the feed as a supervisor does: again after each error."""
    while True:
        with suppress(LogError):
            await feed.run()
        await asyncio.sleep(RETRY_S)


def _segment(row: Any) -> Segment:  # noqa: ANN401 - the driver's
    counts = tuple(tuple(each) for each in orjson.loads(row["initial_counts"]))
    return Segment(row["segment"], row["after"], row["up_to"], counts)


def _check_running(version: Version, checkpoint: Checkpoint) -> None:
    if checkpoint.state != "running":
        raise RebuildFailed(
            f"{version.schema} is {checkpoint.state} at position {checkpoint.error_position}:"
            f" {checkpoint.error}; retry or skip the event, then rebuild again"
        )
