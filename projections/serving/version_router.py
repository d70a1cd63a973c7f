"""Which versions of the read models this process answers from, and the change to the next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from types import FunctionType
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from events.database import Pool
from events.envelope import Position
from events.errors import LogError
from projections.errors import ProjectionError
from projections.live.checkpoints import Checkpoints
from projections.projection import Projection, Version
from projections.registry import answering, open_read_pool

LOOK_S: Final = 1.0
"""How often the registry is looked at; `Reading.look` has it looked at now."""

POLL_S: Final = 0.005
"""Seconds between two looks whether the next version has got far enough."""

SWAP_S: Final = 10.0
"""How long the next version may take to get far enough; then all is looked at anew."""

DRAIN_S: Final = 10.0
"""How long reads that are under way may take to end after a change."""

HOLD_S: Final = 2.0
"""How long an answer of the version before waits for the next to get as far."""

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("flowledger.projections")


class Positioned(Protocol):
    """An answer that says which position it is from."""

    @property
    def position(self) -> Position:
        """The position of the version that it was read from."""
        ...


A = TypeVar("A", bound=Positioned)


class Served:
    """Versions that answer, the pool whose bare names are theirs, and how many are reading."""

    def __init__(self, versions: Mapping[str, Version], pool: Pool) -> None:
        self.versions = versions
        self.pool = pool
        # The pool gives a free connection to whoever happens to ask next: where more ask than it
        # has, some would wait ten times as long as others.
        self._turns = asyncio.Semaphore(pool.get_max_size())
        self._users = 0
        self._left = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Read through a connection; the pool stays open for as long."""
        self._users += 1
        try:
            async with self._turns, self.pool.acquire() as connection:
                yield connection
        finally:
            self._users -= 1
            if self._users == 0:
                self._left.set()

    async def close(self) -> None:
        """Wait for those who are reading, and close the pool; what takes too long is cut off."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while self._users:
                    self._left.clear()
                    await self._left.wait()
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()


class Reading:
    """Answers questions from the versions that the registry names, and follows it to others.

    No read fails by a change: those under way end on the version they began with. The position of
    the answers about a read model never goes back, nor does what was once waited for get lost: the
    change is made when the next version has got as far as this process has answered and promised,
    and an answer that ends only after it is held until the next version has got as far.
    """

    def __init__(
        self, url: str, looks: Pool, checkpoints: Checkpoints, known: Iterable[Projection]
    ) -> None:
        self._url = url
        self._looks = looks
        self._checkpoints = checkpoints
        self._known = tuple(known)
        self._names: dict[Any, str] = {
            question: each.name
            for each in self._known
            for question in vars(each.reads).values()
            if isinstance(question, FunctionType)
        }
        self._answered: dict[str, Position] = {}
        self._news = asyncio.Event()
        self._served: Served

    async def open(self) -> None:
        """Find what answers now, and open the pool.

        Raises:
            UnknownProjection: a read model of this release has not been set up.
            UnknownShape: this release can read no version of a read model.
            LogUnavailable: the database does not answer, or is not migrated.
        """
        versions = await answering(self._looks, self._known)
        self._take(Served(versions, await open_read_pool(self._url, versions)))

    async def close(self) -> None:
        """Close the pool."""
        await self._served.close()

    @property
    def pool(self) -> Pool:
        """The connections to the versions that answer now."""
        return self._served.pool

    def version(self, name: str) -> Version:
        """Tell which version of a read model answers here."""
        return self._served.versions[name]

    def connection(self) -> Any:  # noqa: ANN401 - the driver's, as a context manager
        """Read through a connection whose bare names are those of the versions that answer."""
        return self._served.connection()

    async def ask(
        self,
        question: Callable[Concatenate[Any, P], Awaitable[A]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> A:
        """Ask a question of a read model's ``read`` module, of the version that answers.

        Where that has an older shape, the function of the same name of that shape is asked.
        """
        served, name = self._served, self._names[question]
        answer = await self._put(served, question, *args, **kwargs)
        if served is self._served:
            self._answered[name] = max(self._answered.get(name, Position(0)), answer.position)
        else:
            await self._checkpoints.wait(answer.position, (name,), HOLD_S)
        return answer

    async def look_up(
        self,
        question: Callable[Concatenate[Any, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Ask what stays true from a position on that the read model is known to have passed."""
        return await self._put(self._served, question, *args, **kwargs)

    async def _put(
        self,
        served: Served,
        question: Callable[Concatenate[Any, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        version = served.versions[self._names[question]]
        asked = getattr(version.projection.reads, question.__name__)
        async with served.connection() as connection:
            answer: R = await asked(connection, *args, **kwargs)
            return answer

    def look(self) -> None:
        """Look at the registry now: there may be a change."""
        self._news.set()

    async def run(self) -> None:
        """Follow the registry for ever; to be supervised. The database may be away."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._follow()
            except (LogError, ProjectionError, TimeoutError) as error:
                _log.warning("the read models answer from the versions of before: %s", error)

    async def _follow(self) -> None:
        versions = await answering(self._looks, self._known)
        if versions == self._served.versions:
            return
        following = Served(versions, await open_read_pool(self._url, versions))
        before = self._served
        try:
            async with asyncio.timeout(SWAP_S):
                while not self._may_take(following):
                    await asyncio.sleep(POLL_S)
                    await self._checkpoints.refresh()
        except (TimeoutError, LogError, asyncio.CancelledError):
            await following.close()
            raise
        self._take(following)
        _log.info("answering from %s", ", ".join(each.schema for each in versions.values()))
        await before.close()

    def _may_take(self, following: Served) -> bool:
        known, before = self._checkpoints.known_position, self._served.versions
        return all(
            known(version) >= max(known(before[name]), self._answered.get(name, Position(0)))
            for name, version in following.versions.items()
            if version != before[name]
        )

    def _take(self, served: Served) -> None:
        self._served = served
        self._checkpoints.pin_versions(served.versions)
