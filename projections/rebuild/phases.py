"""Rebuilds a read model beside the version that answers, and changes over; killed, it goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from os import cpu_count
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson

from events.bodies import RebuildOutcome
from events.database import DRIVER_ERRORS, connect, connect_pool, hang_up, load, translate
from events.envelope import Position
from events.errors import LogError
from events.follow import Feed
from events.store import Log
from projections.bulk.bulk_loader import finish
from projections.bulk.segments import Part, parts_of
from projections.errors import (
    ApplyEventError,
    NoSuchReadModel,
    ProjectionError,
    RebuildFailed,
    RebuildRefused,
)
from projections.flow_versions import Flows
from projections.live.paused import skipped_events
from projections.live.runner import Runner
from projections.projection import Projection, Version, schema_of
from projections.rebuild import jobs
from projections.rebuild.jobs import Rebuild, Wish
from projections.rebuild.pool import FoldFailure, Work, died, workers
from projections.rebuild.version_sync import NEAR, NEAR_S, TRIES, Pair, Stand, TooFarBehind
from projections.registry import answering, create_indexes, create_tables, shapes, standings
from projections.verify.sample_verify import verify

POLL_S: Final = 0.02
"""Seconds between two looks at what is waited for."""

SETTLED_S: Final = 6.0
"""Seconds after a change in which the version before may still be read from."""

FAR: Final = 10_000
"""Events that the version that answers may lack to be waited for and compared with."""

_SQL: Final = Path(__file__).parents[1] / "sql"


class Cancelled(RebuildFailed):
    """The rebuild was cancelled; what it had built is dropped."""


Folds = set[asyncio.Future[FoldFailure | None]]
"""The parts that are being folded."""


class SegmentFailed(RebuildFailed):
    """A part of history could not be folded."""

    def __init__(self, failure: FoldFailure) -> None:
        super().__init__(failure.reason)
        self.position = failure.position


@dataclass(frozen=True, slots=True)
class Desk:
    """What a rebuild is done with: a connection that holds the turn, and the log."""

    url: str
    connection: asyncpg.Connection
    log: Log
    known: tuple[Projection, ...]

    @property
    def newest(self) -> dict[str, Projection]:
        """The newest shape of each read model that this release knows."""
        return {each.name: each for each in sorted(self.known, key=lambda each: each.shape)}

    async def fetchval(self, statement: str, *parameters: object) -> Any:  # noqa: ANN401 - the driver's
        """Run a statement of `projections.sql` for its one value."""
        return await self.connection.fetchval(load(_SQL, statement), *parameters)

    async def find(self, name: str) -> Rebuild:
        """Find the rebuild that is being worked on."""
        found = await jobs.find(self.connection, name)
        assert found is not None  # noqa: S101 - it was entered
        return found

    async def serving(self, name: str) -> Version:
        """Find the version that answers, in a shape that this release knows."""
        return (await answering(self.connection, self.known_of(name)))[name]

    def known_of(self, name: str) -> list[Projection]:
        """Give the shapes of a read model that this release knows."""
        return [each for each in self.known if each.name == name]


@asynccontextmanager
async def desk(
    url: str, name: str, known: Iterable[Projection] | None = None
) -> AsyncIterator[Desk | None]:
    """Take the turn at the rebuilds of a read model, or None where somebody else has it.

    Raises:
        LogUnavailable: the database does not answer.
    """
    async with AsyncExitStack() as stack:
        connection = await connect(url)
        stack.push_async_callback(hang_up, connection)
        pool = await connect_pool(url, max_size=2)
        stack.push_async_callback(pool.close)
        with translate():
            taken = await jobs.take(connection, name)
        yield Desk(url, connection, Log(pool), tuple(known or shapes())) if taken else None


async def rebuild(
    url: str, name: str, wish: Wish, known: Iterable[Projection] | None = None
) -> Rebuild | None:
    """Rebuild a read model, or go on with a rebuild of it; None if somebody else is at it.

    Raises:
        NoSuchReadModel: there is none of this name.
        RebuildRefused: a newer shape answers than this release has.
        RebuildFailed: it stopped; says why. The next call goes on where it stopped.
        LogError: the database does not answer.
    """
    async with desk(url, name, known) as taken:
        if taken is None:
            return None
        if name not in taken.newest:
            raise NoSuchReadModel(name, sorted(taken.newest))
        with translate():
            await _clear(taken, name)
            before = await jobs.find(taken.connection, name)
            if before is not None and before.open and before.shape > taken.newest[name].shape:
                raise RebuildRefused(
                    f"{name} is being rebuilt in shape {before.shape}, which this release does not"
                    " know: use the newer one"
                )
            if before is None or not before.open or before.phase == "failed":
                entered = await jobs.enter(taken.connection, taken.newest[name], wish)
                await _begin_anew_after_skips(taken, before, entered)
        return await carry_on(taken, name)


async def _begin_anew_after_skips(desk: Desk, before: Rebuild | None, entered: Rebuild) -> None:
    """Build from the start again where an event may be skipped by now that parts have counted."""
    counted = desk.newest[entered.name].counted is not None
    if counted and before is not None and before.error_position and entered.phase == "folding":
        async with desk.connection.transaction():
            await desk.fetchval("drop_version", entered.name, entered.new_version)
            await desk.fetchval("drop_parts", entered.rebuild_id)
            await desk.fetchval(
                "move_rebuild", entered.rebuild_id, "folding", "waiting", None, None
            )


async def resume(url: str, name: str, known: Iterable[Projection] | None = None) -> None:
    """Go on with a rebuild that nobody is at, if there is one.

    Raises:
        RebuildFailed: it stopped; says why.
        LogError: the database does not answer.
    """
    async with desk(url, name, known) as taken:
        if taken is None:
            return
        found = await jobs.find(taken.connection, name)
        if found is not None and found.open and found.phase != "failed":
            await carry_on(taken, name)


async def carry_on(desk: Desk, name: str) -> Rebuild:
    """Take a rebuild from phase to phase; each is entered before the next begins.

    Raises:
        RebuildFailed: it stopped; says why.
        LogError: the database does not answer.
    """
    work = _Work(desk)
    try:
        while (found := await desk.find(name)).open:
            if found.cancel_requested and found.phase != "flipping":
                await work.cancel(found)
                continue
            await work.step(found)
    except BrokenProcessPool as error:
        raise await _failed(desk, name, died(error)) from error
    except (ProjectionError, LogError, *DRIVER_ERRORS) as error:
        raise await _failed(desk, name, error) from error
    if found.phase == "cancelled":
        raise Cancelled
    return found


async def _failed(desk: Desk, name: str, error: Exception) -> Exception:
    """Note why a rebuild stopped, so far as the database can be told."""
    position = error.position if isinstance(error, SegmentFailed) else None
    reason = str(error) or type(error).__name__
    with suppress(LogError, *DRIVER_ERRORS):
        found = await desk.find(name)
        await desk.fetchval("fail_rebuild", found.rebuild_id, reason.replace("\0", "\\0"), position)
    if isinstance(error, (RebuildRefused, RebuildFailed)):
        return error
    return RebuildFailed(f"the rebuild of {name} stopped: {reason}")


async def _clear(desk: Desk, name: str) -> None:
    """Drop what is open and cannot or need not go on, and the debris of those before."""
    found = await jobs.find(desk.connection, name)
    projection = desk.newest.get(name)
    if found is not None and found.open and projection is not None:
        older, wrong = found.shape < projection.shape, found.stopped_in == "verifying"
        if found.phase != "flipping" and (older or wrong):
            await _Work(desk).cancel(found)
    for (number,) in await desk.connection.fetch(load(_SQL, "idle_versions"), name):
        await desk.fetchval("drop_version", name, number)


class _Work:
    """The phases of a rebuild, each a step that may be taken again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._steps: dict[str, Callable[[Rebuild], Awaitable[None]]] = {
            "waiting": self._prepare,
            "folding": self._fold,
            "indexing": self._index,
            "catching up": self._catch_up,
            "verifying": self._verify,
            "flipping": self._record,
        }

    async def step(self, rebuild: Rebuild) -> None:
        """Take the step of the phase that a rebuild is in."""
        await self._steps[rebuild.phase](rebuild)

    def version(self, rebuild: Rebuild) -> Version:
        """Give the version that is being built."""
        for projection in self._desk.known:
            if (projection.name, projection.shape) == (rebuild.name, rebuild.shape):
                return Version(projection, rebuild.new_version)
        raise RebuildRefused(f"this release does not know shape {rebuild.shape} of {rebuild.name}")

    async def _move(
        self,
        rebuild: Rebuild,
        phase: str,
        target: Position | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        shown = None if result is None else orjson.dumps(result).decode()
        args = (rebuild.rebuild_id, rebuild.phase, phase, target, shown)
        await self._desk.fetchval("move_rebuild", *args)

    async def _prepare(self, rebuild: Rebuild) -> None:
        desk, version = self._desk, self.version(rebuild)
        await jobs.record_start(desk.log, rebuild)
        await drop_previous(desk.connection, rebuild.name)
        target = await desk.log.head()
        skipped = frozenset(await skipped_events(desk.log, rebuild.name, rebuild.new_version))
        parts = await parts_of(desk.connection, version.projection, target, skipped)
        async with desk.connection.transaction():
            await create_tables(desk.connection, version)
            await desk.connection.execute(
                load(_SQL, "add_parts"),
                rebuild.rebuild_id,
                [part.number for part in parts],
                [part.after for part in parts],
                [part.up_to for part in parts],
                [orjson.dumps(part.begun).decode() for part in parts],
            )
            await self._move(rebuild, "folding", target)

    async def _fold(self, rebuild: Rebuild) -> None:
        desk, version = self._desk, self.version(rebuild)
        rows = await desk.connection.fetch(load(_SQL, "parts_to_do"), rebuild.rebuild_id)
        parts = [_part(row) for row in rows]
        skipped = frozenset(await skipped_events(desk.log, rebuild.name, rebuild.new_version))
        target = rebuild.target or Position(0)
        work = Work(desk.url, rebuild.rebuild_id, version, target, skipped)
        count = min(rebuild.workers or default_workers(), max(len(parts), 1))
        if parts:
            async with workers(work, count) as fold:
                await self._fold_all(rebuild, parts, fold, count)
        if not (await desk.find(rebuild.name)).cancel_requested:
            await self._move(rebuild, "indexing")

    async def _fold_all(
        self,
        rebuild: Rebuild,
        parts: Sequence[Part],
        fold: Callable[[Part], Future[FoldFailure | None]],
        count: int,
    ) -> None:
        """Have parts folded, so many at a time, no faster than asked, until told to stop."""
        began, handed_out = time.monotonic(), 0
        running: Folds = set()
        for part in parts:
            while len(running) >= count:
                running = await self._some_done(running)
            ahead_s = handed_out / rebuild.most_rate if rebuild.most_rate else 0.0
            while (left_s := began + ahead_s - time.monotonic()) > 0:
                await asyncio.sleep(min(left_s, 1.0))
                if await self._told_to_stop(rebuild):
                    return
            if await self._told_to_stop(rebuild):
                return
            running.add(asyncio.wrap_future(fold(part)))
            handed_out += part.up_to - part.after
        while running:
            running = await self._some_done(running)

    async def _told_to_stop(self, rebuild: Rebuild) -> bool:
        return (await self._desk.find(rebuild.name)).cancel_requested

    async def _some_done(
        self, running: set[asyncio.Future[FoldFailure | None]]
    ) -> set[asyncio.Future[FoldFailure | None]]:
        done, pending = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            if failure := each.result():
                raise SegmentFailed(failure)
        return pending

    async def _index(self, rebuild: Rebuild) -> None:
        connection, version = self._desk.connection, self.version(rebuild)
        async with connection.transaction():
            await connection.execute(load(_SQL, "set_search_path"), version.schema)
            await finish(connection, version.projection)
            await create_indexes(connection, version)
            await connection.execute(load(_SQL, "analyze"))
            release = (version.name, version.number, rebuild.target)
            await self._desk.fetchval("release_version", *release)
            await self._move(rebuild, "catching up")

    async def _catch_up(self, rebuild: Rebuild) -> None:
        async with self._applying(rebuild) as pair:
            while True:
                _, following = await pair.stand(self._desk.connection)
                _check_running(pair.following, following)
                if await self._desk.log.head() - following.position < NEAR:
                    await self._move(rebuild, "verifying")
                    return
                if await self._told_to_stop(rebuild):
                    return
                await asyncio.sleep(POLL_S)

    async def _verify(self, rebuild: Rebuild) -> None:
        async with self._applying(rebuild) as pair:
            result = asdict(await self._verified(pair))
            await self._flip(rebuild, pair, result)

    async def _verified(self, pair: Pair) -> Any:  # noqa: ANN401 - a dataclass
        desk = self._desk
        serving, following = await pair.stand(desk.connection)
        _check_running(pair.following, following)
        own = await skipped_events(desk.log, pair.serving.name, pair.serving.number)
        near = following.position - serving.position <= FAR
        if serving.state == "running" and near and not own:
            with suppress(ApplyEventError):
                async with pair.snapshot() as (connection, position):
                    return await verify(
                        connection, desk.log, pair.serving, pair.following, position
                    )
        # The version that answers lacks events: only the log can be compared with.
        connection = await connect(desk.url)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                _, following = await pair.stand(connection)
                return await verify(connection, desk.log, None, pair.following, following.position)
        finally:
            await hang_up(connection)

    async def _flip(self, rebuild: Rebuild, pair: Pair, result: dict[str, Any]) -> None:
        connection = self._desk.connection
        await flip(connection, pair, partial(self._flipped, rebuild, pair, result))

    async def _flipped(
        self, rebuild: Rebuild, pair: Pair, result: dict[str, Any], position: Position
    ) -> None:
        held_ms = round(pair.longest_hold_s * 1000, 1)
        await self._move(
            rebuild, "flipping", None, {**result, "position": position, "held_ms": held_ms}
        )

    async def _record(self, rebuild: Rebuild) -> None:
        outcome: RebuildOutcome = "rolled back" if rebuild.purpose == "roll back" else "replaced"
        await jobs.record_end(self._desk.log, rebuild, outcome)
        await self._desk.fetchval("drop_parts", rebuild.rebuild_id)
        await self._move(rebuild, "finished")

    async def cancel(self, rebuild: Rebuild) -> None:
        """Drop what a rebuild has built."""
        desk = self._desk
        if rebuild.phase != "waiting":
            await jobs.record_end(desk.log, rebuild, "cancelled")
        async with desk.connection.transaction():
            await desk.fetchval("drop_version", rebuild.name, rebuild.new_version)
            await desk.fetchval("drop_parts", rebuild.rebuild_id)
            await self._move(rebuild, "cancelled")

    @asynccontextmanager
    async def _applying(self, rebuild: Rebuild) -> AsyncIterator[Pair]:
        """Have both versions applied here too: it may be that no service runs."""
        desk, version = self._desk, self.version(rebuild)
        serving = await desk.serving(rebuild.name)
        feed = Feed(desk.log, desk.url)
        runner = Runner(feed, desk.url, desk.known_of(rebuild.name), Flows(desk.log))
        tasks = [asyncio.create_task(_followed(feed)), asyncio.create_task(runner.run())]
        try:
            yield Pair(desk.url, desk.log, serving, version)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _followed(feed: Feed) -> None:
    """Follow the log as a supervisor has it: again and again where the database is away."""
    while True:
        with suppress(LogError):
            await feed.run()
        await asyncio.sleep(NEAR_S)


def _part(row: Any) -> Part:  # noqa: ANN401 - the driver's
    begun = tuple(tuple(each) for each in orjson.loads(row["begun"]))
    return Part(row["part"], row["after"], row["up_to"], begun)


def _check_running(version: Version, stand: Stand) -> None:
    if stand.state != "running":
        raise RebuildFailed(
            f"{version.schema} is {stand.state} at position {stand.error_position}: {stand.error};"
            " have it retry or skip the event, then rebuild again"
        )


def default_workers() -> int:
    """Tell how many processes fold where nobody says: half the cores, for others serve beside."""
    return max(1, (cpu_count() or 1) // 2)


async def flip(
    connection: asyncpg.Connection, pair: Pair, note: Callable[[Position], Awaitable[None]]
) -> Position:
    """Change over from one version to the other, which has got at least as far, and note it.

    One transaction: all of it, or nothing. It waits until the one behind is near.

    Raises:
        RebuildRefused: the version that is to follow is paused, or does not come near.
    """
    for _ in range(TRIES):
        try:
            async with pair.held(connection) as (serving, following):
                if following.position < serving.position or following.state != "running":
                    raise RebuildRefused(
                        f"{pair.following.schema} is {following.state} at position"
                        f" {following.position} and cannot answer"
                    )
                numbers = (pair.serving.name, pair.serving.number, pair.following.number)
                if not await connection.fetchval(load(_SQL, "flip"), *numbers):
                    raise RebuildRefused(f"another version of {pair.serving.name} answers by now")
                await note(following.position)
                return following.position
        except TooFarBehind:
            await asyncio.sleep(NEAR_S)
    raise RebuildRefused(f"{pair.following.schema} does not come near enough to answer")


async def drop_previous(connection: asyncpg.Connection, name: str) -> str | None:
    """Drop the version that is kept for a way back; names its schema, or None if there is none."""
    standing = (await standings(connection)).get(name)
    if standing is None or standing.previous_version is None:
        return None
    # Who has not yet followed the last change still reads from it.
    await asyncio.sleep(max(0.0, SETTLED_S - standing.changed_s))
    await connection.fetchval(load(_SQL, "drop_version"), name, standing.previous_version)
    return schema_of(name, standing.previous_version)
