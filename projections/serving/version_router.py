"""Routes queries to the serving version of each read model, and switches versions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from types import FunctionType
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from events.database import Pool, translate_errors
from events.envelope import Position
from events.errors import LogError
from projections.errors import ProjectionError
from projections.live.checkpoints import Checkpoints
from projections.projection import Projection, Version
from projections.registry import open_read_pool, servable_versions

REFRESH_S: Final = 1.0
"""Seconds between two reads of the registry; `VersionRouter.notify` asks for one now."""

POLL_S: Final = 0.005
"""Seconds between two checks whether the next version has caught up."""

SWITCH_TIMEOUT_S: Final = 10.0
"""How long to wait for the next version to catch up, before the registry is read again."""

QUERY_TIMEOUT_S: Final = 5.0
"""How long a query may take before the database counts as unavailable."""

DRAIN_S: Final = 10.0
"""How long queries in progress may take after a switch."""

CATCH_UP_S: Final = 2.0
"""How long a result of the previous version waits until the new one has the same position."""

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("flowledger.projections")


class Positioned(Protocol):
    """A query result with the position that it was read at."""

    @property
    def position(self) -> Position:
        """The position of the version that was queried."""
        ...


A = TypeVar("A", bound=Positioned)


class ReadPool:
    """Connections whose bare table names are those of some versions, one of each read model."""

    def __init__(self, versions: Mapping[str, Version], pool: Pool) -> None:
        self.versions = versions
        self.pool = pool
        # The pool gives a free connection to whoever happens to ask next. Without this queue some
        # callers of a busy pool wait ten times as long as others.
        self._queue = asyncio.Semaphore(pool.get_max_size())
        self._users = 0
        self._released = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Borrow a connection; the pool stays open meanwhile."""
        self._users += 1
        try:
            async with self._queue, self.pool.acquire() as connection:
                yield connection
        finally:
            self._users -= 1
            if self._users == 0:
                self._released.set()

    async def close(self) -> None:
        """Close the pool once it is unused; after `DRAIN_S` cut queries off."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while self._users:
                    self._released.clear()
                    await self._released.wait()
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()


class VersionRouter:
    """Queries the versions that the registry names, and follows it when it names others.

    - No query fails because of a switch: one in progress ends on the version it began with.
    - A read model's position never goes back: the switch waits until the next version has every
      position that this process has shown or is known to have reached. A result that the previous
      version gives after the switch waits for the new one in turn.
    """

    def __init__(
        self, registry_pool: Pool, checkpoints: Checkpoints, known: Iterable[Projection]
    ) -> None:
        self._database = registry_pool.database
        self._registry_pool = registry_pool
        self._checkpoints = checkpoints
        self._known = tuple(known)
        self._read_models: dict[Any, str] = {
            read: each.name
            for each in self._known
            for read in vars(each.reads).values()
            if isinstance(read, FunctionType)
        }
        """The name of each read function's read model."""
        self._shown: dict[str, Position] = {}
        """The last position of each read model that a result was read at."""
        self._notified = asyncio.Event()
        self._current: ReadPool

    async def open(self) -> None:
        """Open a pool for the serving versions.

        Raises:
            UnknownProjection: a read model of this release has not been set up.
            UnknownSchemaVersion: this release can read no version of a read model.
            LogUnavailable: the database does not answer, or is not migrated.
        """
        versions = await servable_versions(self._registry_pool, self._known)
        self._switch_to(ReadPool(versions, await open_read_pool(self._database, versions)))

    async def close(self) -> None:
        """Close the pool."""
        await self._current.close()

    @property
    def pool(self) -> Pool:
        """The connections to the versions served now."""
        return self._current.pool

    def version(self, name: str) -> Version:
        """Give the version of a read model that this process serves."""
        return self._current.versions[name]

    def connection(self) -> Any:  # noqa: ANN401 - the driver's, as a context manager
        """Borrow a connection whose bare table names are those of the serving versions."""
        return self._current.connection()

    async def query(
        self,
        read: Callable[Concatenate[Any, P], Awaitable[A]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> A:
        """Run a function of a read model's ``read`` module on its serving version.

        If that has an older schema version, that one's function of the same name runs.

        Raises:
            LogUnavailable: the database does not answer within `QUERY_TIMEOUT_S`.
        """
        pool, name = self._current, self._read_models[read]
        with translate_errors():
            async with asyncio.timeout(QUERY_TIMEOUT_S):
                result = await self._run(pool, read, *args, **kwargs)
                if pool is self._current:
                    self._shown[name] = max(self._shown.get(name, Position(0)), result.position)
                else:
                    await self._checkpoints.wait(result.position, (name,), CATCH_UP_S)
                return result

    async def query_immutable(
        self,
        read: Callable[Concatenate[Any, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Run a read whose result cannot change: as of a position the read model has passed.

        Raises:
            LogUnavailable: the database does not answer within `QUERY_TIMEOUT_S`.
        """
        with translate_errors():
            async with asyncio.timeout(QUERY_TIMEOUT_S):
                return await self._run(self._current, read, *args, **kwargs)

    async def _run(
        self,
        pool: ReadPool,
        read: Callable[Concatenate[Any, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        version = pool.versions[self._read_models[read]]
        read_of_version = getattr(version.projection.reads, read.__name__)
        async with pool.connection() as connection:
            result: R = await read_of_version(connection, *args, **kwargs)
            return result

    def notify(self) -> None:
        """Read the registry now: it may have changed."""
        self._notified.set()

    async def run(self) -> None:
        """Follow the registry for ever, also while the database is away; to be supervised."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S):
                    await self._notified.wait()
            self._notified.clear()
            try:
                await self._follow_registry()
            except (LogError, ProjectionError, TimeoutError) as error:
                _log.warning("still serving the previous versions of the read models: %s", error)

    async def _follow_registry(self) -> None:
        versions = await servable_versions(self._registry_pool, self._known)
        if versions == self._current.versions:
            return
        next_pool = ReadPool(versions, await open_read_pool(self._database, versions))
        previous = self._current
        try:
            async with asyncio.timeout(SWITCH_TIMEOUT_S):
                while not self._has_caught_up(next_pool):
                    await asyncio.sleep(POLL_S)
                    await self._checkpoints.refresh()
        except (TimeoutError, LogError, asyncio.CancelledError):
            await next_pool.close()
            raise
        self._switch_to(next_pool)
        _log.info("serving %s", ", ".join(each.schema for each in versions.values()))
        await previous.close()

    def _has_caught_up(self, next_pool: ReadPool) -> bool:
        known_position, current = self._checkpoints.known_position, self._current.versions
        return all(
            known_position(version)
            >= max(known_position(current[name]), self._shown.get(name, Position(0)))
            for name, version in next_pool.versions.items()
            if version != current[name]
        )

    def _switch_to(self, pool: ReadPool) -> None:
        self._current = pool
        self._checkpoints.pin_versions(pool.versions)
