"""Follows a log and counts events that were lost, doubled or out of order.

In the test's own process a reader is a task, `FOLLOW["feed"](url, tally)`. In a process of its own
it is `ReaderProcess`, which runs `python -m tests.kit.reader KIND URL`.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Self

from events.database import connect_pool
from events.errors import LogUnavailable
from events.follow import Feed
from events.store import Log
from tests.events.builders import running
from tests.kit import naive
from tests.kit.processes import Process
from tests.waiting import until

PATIENCE_S = 120
PAGE = 1000


@dataclass(frozen=True)
class Figures:
    """What a reader was given; all but the first are faults."""

    seen: int
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.seen + other.seen,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.out_of_order + other.out_of_order,
        )


class Tally:
    """The positions that a reader was given, as they came."""

    def __init__(self, after: int = 0) -> None:
        self.after = self.last = after
        self.seen = self.doubled = self.out_of_order = 0
        self._passed_over: set[int] = set()

    def note(self, positions: Iterable[int]) -> None:
        for position in positions:
            self.seen += 1
            if position > self.last:
                self._passed_over.update(range(self.last + 1, position))
                self.last = position
            elif position in self._passed_over:
                self._passed_over.remove(position)
                self.out_of_order += 1
            else:
                self.doubled += 1

    def figures(self, stored: Iterable[int]) -> Figures:
        """Judge it by the positions that the log has in the end."""
        lost = sum(
            position > self.last or position in self._passed_over
            for position in stored
            if position > self.after
        )
        return Figures(self.seen, lost, self.doubled, self.out_of_order)


async def again(work: Callable[[], Awaitable[None]]) -> None:
    """Do it over whenever the database went away, as a supervisor does."""
    while True:
        try:
            return await work()
        except LogUnavailable:
            await asyncio.sleep(0.01)


async def follow_feed(url: str, tally: Tally) -> None:
    """Follow through a feed, which is told of commits and decodes each event once."""
    async with _log(url) as log:
        feed = Feed(log)

        async def subscribe() -> None:
            async for events in feed.subscribe(tally.last):
                tally.note(event.position for event in events)

        async with running(again(feed.run)):
            await again(subscribe)


async def follow_polling(url: str, tally: Tally) -> None:
    """Follow by asking again and again."""
    async with _log(url) as log:

        async def poll() -> None:
            while True:
                events = await log.read(tally.last, PAGE)
                tally.note(event.position for event in events)
                await asyncio.sleep(0 if events else 0.01)

        await again(poll)


@contextlib.asynccontextmanager
async def _log(url: str) -> AsyncIterator[Log]:
    pool = await connect_pool(url, max_size=2)
    try:
        yield Log(pool)
    finally:
        pool.terminate()


FOLLOW = {"feed": follow_feed, "poll": follow_polling, "naive": naive.follow}


async def stored(kind: str, url: str, head: int) -> Iterable[int]:
    """The positions a reader must have been given: ours are dense, which others check."""
    return await naive.positions(url) if kind == "naive" else range(1, head + 1)


async def caught_up(tally: Tally, head: int) -> None:
    """Wait for a reader to have been given the head; one that never is has lost it."""

    async def reached() -> bool:
        return tally.last >= head

    with contextlib.suppress(TimeoutError):
        await until(reached, PATIENCE_S)


class ReaderProcess:
    """A reader in a process of its own, to be asked at the end what it was given."""

    def __init__(self, kind: str, url: str, *, after: int = 0, errors: Path | None = None) -> None:
        self._process = Process("tests.kit.reader", kind, url, str(after), errors=errors)

    async def __aenter__(self) -> Self:
        await self._process.start()
        await self._process.line()
        return self

    async def figures(self, head: int) -> Figures:
        """Have it read on to the head, and judge what it was given."""
        await self._process.tell(str(head))
        return Figures(**json.loads(await self._process.line()))

    async def __aexit__(self, *_: object) -> None:
        await self._process.kill()


async def main(kind: str, url: str, after: str) -> None:
    tally = Tally(int(after))
    # Again from where it was: Postgres may be killed while a reader is about to connect.
    async with running(again(partial(FOLLOW[kind], url, tally))):
        print("follows", flush=True)
        if head := await asyncio.to_thread(sys.stdin.readline):
            await caught_up(tally, int(head))
            found = tally.figures(await stored(kind, url, int(head)))
            print(json.dumps(asdict(found)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
