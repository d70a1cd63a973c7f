"""State machine for following: no order of commits, wake-ups, polls and crashes loses an event.

A consumer takes events from the feed, processes them one by one, and saves its checkpoint at any
moment, as if a timer fired. After a crash it resumes at the checkpoint.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import asyncpg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from events.database import Pool, close_quietly
from events.envelope import Event
from events.follow import Feed
from events.store import Log
from tests.events.builders import request
from tests.kit import naive
from tests.kit.single_connection import SingleConnectionPool

TENANTS = ("t", "u")


class Follows(Protocol):
    """A log and a reader of it, to be moved step by step."""

    one_at_a_time: bool
    """Whether an append that is under way keeps all others waiting."""

    async def begin(self) -> object:
        """Append within a transaction, and leave it open."""

    async def end(self, begun: object, how: str) -> None:
        """``commit`` or ``rollback``."""

    async def append(self, tenant: str, told: str) -> None:
        """Append by the reader's own process, which is told ``now`` or ``later``, or ``never``.

        Never: it was another process, of whose commits one learns by looking.
        """

    async def tell(self) -> None:
        """Tell the process of what it was not told of, the newest first."""

    async def look(self) -> None:
        """Have the reader look by itself."""

    async def after(self, position: int, limit: int) -> Sequence[int]:
        """Give what the reader has beyond a position; nothing if it would wait."""

    async def page(self, position: int) -> tuple[Sequence[int], int]:
        """A page of one tenant's events, and the position to go on from."""

    async def restart(self) -> None:
        """Begin anew, with nothing in memory."""

    async def stored(self, tenant: str | None = None) -> Sequence[int]:
        """The positions that there are."""

    async def close(self) -> None: ...


class Following(RuleBasedStateMachine):
    """Everything that may happen to those who write and to one who reads, in any order."""

    def __init__(self, subject: Follows, loop: asyncio.Runner) -> None:
        super().__init__()
        self._subject = subject
        self._wait = loop.run
        self._wait(subject.restart())
        self._before = list(self._wait(subject.stored()))
        self._checkpoint = self._before[-1] if self._before else 0
        self._done: list[int] = []
        self._taken: list[int] = []
        self._begun: list[object] = []
        self._paged_to = self._checkpoint
        self._paged: list[int] = []

    @property
    def _at(self) -> int:
        return self._done[-1] if self._done else self._first

    @property
    def _first(self) -> int:
        return self._before[-1] if self._before else 0

    def _free(self) -> bool:
        return not (self._begun and self._subject.one_at_a_time)

    @rule()
    @precondition(_free)
    def begin(self):
        self._begun.append(self._wait(self._subject.begin()))

    @rule(data=st.data(), how=st.sampled_from(["commit", "commit", "rollback"]))
    @precondition(lambda self: self._begun)
    def end(self, data, how):
        begun = data.draw(st.sampled_from(self._begun))
        self._begun.remove(begun)
        self._wait(self._subject.end(begun, how))

    @rule(tenant=st.sampled_from(TENANTS), told=st.sampled_from(["now", "now", "later", "never"]))
    @precondition(_free)
    def append(self, tenant, told):
        self._wait(self._subject.append(tenant, told))

    @rule()
    def tell(self):
        self._wait(self._subject.tell())

    @rule()
    def look(self):
        self._wait(self._subject.look())

    @rule(limit=st.sampled_from([1, 2, 9]))
    def take(self, limit):
        at = self._taken[-1] if self._taken else self._at
        given = self._wait(self._subject.after(at, limit))
        assert list(given) == [p for p in self._stored() if p > at][: len(given)]
        self._taken += given

    @rule()
    @precondition(lambda self: self._taken)
    def work_one(self):
        self._done.append(self._taken.pop(0))

    @rule()
    def keep_the_checkpoint(self):
        self._checkpoint = self._at

    @rule(seldom=st.sampled_from([False, False, False, True]))
    def crash(self, seldom):
        if not seldom:
            return
        self._taken.clear()
        self._done = [position for position in self._done if position <= self._checkpoint]
        self._wait(self._subject.restart())

    @rule()
    def turn_a_page(self):
        found, self._paged_to = self._wait(self._subject.page(self._paged_to))
        self._paged += found

    def teardown(self):
        for begun in self._begun:
            self._wait(self._subject.end(begun, "rollback"))
        self._wait(self._subject.look())
        while found := self._wait(self._subject.after((self._taken or [self._at])[-1], 100)):
            self._taken += found
        assert self._done + self._taken == self._stored()
        while (turned := self._wait(self._subject.page(self._paged_to)))[1] > self._paged_to:
            self._paged_to = turned[1]
            self._paged += turned[0]
        assert self._paged == self._stored(TENANTS[0])

    def _stored(self, tenant: str | None = None) -> list[int]:
        return [p for p in self._wait(self._subject.stored(tenant)) if p > self._first]


class OurFollow:
    """The log and its feed; looks are made by hand, so that they come where the machine says."""

    one_at_a_time = True

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._log = Log(pool)
        self._untold: list[Sequence[Event]] = []

    async def begin(self) -> asyncpg.Connection:
        connection = await self._pool.database.connect()
        await connection.execute("begin")
        await Log(SingleConnectionPool(connection)).append(
            [request("begun", events=2, tenant=TENANTS[0])]
        )
        return connection

    async def end(self, begun: asyncpg.Connection, how: str) -> None:
        await begun.execute(how)
        await begun.close()

    async def append(self, tenant: str, told: str) -> None:
        [answer] = await self._log.append([request("s", events=2, tenant=tenant)])
        if told == "now":
            self._feed.wake(answer.events)
        elif told == "later":
            self._untold.append(answer.events)

    async def tell(self) -> None:
        if self._untold:
            self._feed.wake(self._untold.pop())

    async def look(self) -> None:
        self._feed.wake()
        await self._feed._poll_once()

    async def after(self, position: int, limit: int) -> Sequence[int]:
        if position >= self._feed.head:
            return []
        return [event.position for event in await self._feed.read_after(position, limit)]

    async def page(self, position: int) -> tuple[Sequence[int], int]:
        events, onward = await self._log.read_page(position, 2, TENANTS[0])
        return [event.position for event in events], onward

    async def restart(self) -> None:
        self._untold.clear()
        self._feed = Feed(self._log, buffer_size=6)
        self._feed._set_head(await self._log.head())
        self._feed._started = True

    async def stored(self, tenant: str | None = None) -> Sequence[int]:
        rows = await self._pool.fetch(
            "select position from log.events where $1::text is null or tenant = $1 order by 1",
            tenant,
        )
        return [row["position"] for row in rows]

    async def close(self) -> None:
        await self._pool.close()


class NaiveFollow:
    """The negative: positions drawn before the commit, and "greater than the last seen"."""

    one_at_a_time = False

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self._url = url
        self._connection = connection

    async def begin(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(self._url)
        await connection.execute("begin")
        await connection.fetchrow(naive.INSERT, "t", str(id(connection)), None, "Written", b"{}")
        return connection

    async def end(self, begun: asyncpg.Connection, how: str) -> None:
        await begun.execute(how)
        await begun.close()

    async def append(self, tenant: str, told: str) -> None:
        await self._connection.fetchrow(naive.INSERT, tenant, "s", None, "Written", b"{}")

    async def tell(self) -> None:
        return

    async def look(self) -> None:
        return

    async def after(self, position: int, limit: int) -> Sequence[int]:
        rows = await self._connection.fetch(naive.GREATER_THAN_LAST_SEEN, position, limit)
        return [row["position"] for row in rows]

    async def page(self, position: int) -> tuple[Sequence[int], int]:
        found = [p for p in await self.stored(TENANTS[0]) if p > position]
        return found, max([position, *found])

    async def restart(self) -> None:
        return

    async def stored(self, tenant: str | None = None) -> Sequence[int]:
        rows = await self._connection.fetch(
            "select position from naive.events where $1::text is null or tenant = $1 order by 1",
            tenant,
        )
        return [row["position"] for row in rows]

    async def close(self) -> None:
        await close_quietly(self._connection)
