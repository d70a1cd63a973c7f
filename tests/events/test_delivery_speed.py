"""How soon subscribers get an event, and what subscribers cost the appends.

.venv/bin/pytest tests/events/test_delivery_speed.py -m benchmark -s -n 0

Times are of one clock, which all processes of a machine share. What was reached:
docs/reference/performance.md.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator

import pytest

from events.batcher import Batcher
from events.database import Database, connect_pool
from events.envelope import Position
from events.follow import Feed, Notifier
from events.store import Log
from tests.events.builders import request, running
from tests.events.test_speed import CALLERS, measured, report, requests
from tests.waiting import until

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

PER_S = 2_000
SECONDS = 5
SLOWLY_PER_S = 200
SUBSCRIBERS = 50
EVENTS, ROUNDS = 20_000, 5
FOLLOWER = (
    "import sys, uvloop; from tests.events.test_delivery_speed import follow;"
    " uvloop.run(follow(sys.argv[1], int(sys.argv[2])))"
)

Times = dict[int, float]
"""When something came about, by position."""


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


async def started(feed: Feed, head: int) -> bool:
    return feed.head >= head


async def arrivals(feed: Feed, after: int, last: int) -> Times:
    """When each position was handed to a follower."""
    found: Times = {}
    async for events in feed.subscribe(Position(after)):
        now = time.monotonic()
        found.update((event.position, now) for event in events)
        if events[-1].position >= last:
            break
    return found


async def follow(url: str, last: int) -> None:
    """Follow in a process of its own, and tell when each position came."""
    pool = await connect_pool(url)
    feed = Feed(log := Log(pool))
    head = await log.head()
    async with running(feed.run()):
        await until(lambda: started(feed, head))
        say("ready\n")
        found = await arrivals(feed, head, last)
    await pool.close()
    say(f"{json.dumps(found)}\n")


@contextlib.asynccontextmanager
async def follower(url: str, last: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FOLLOWER, url, str(last)),
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: asyncio.subprocess.Process) -> Times:
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    return {int(position): moment for position, moment in json.loads(line).items()}


async def paced(batcher: Batcher, wanted: list, per_s: int) -> tuple[Times, Times]:
    """Append at a steady rate, whatever became of those before; when called, when answered."""
    called: Times = {}
    answered: Times = {}

    async def append(each) -> None:
        began = time.monotonic()
        position = (await batcher.append(each)).last_position
        called[position], answered[position] = began, time.monotonic()

    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, each in enumerate(wanted):
            await asyncio.sleep(began + number / per_s - loop.time())
            group.create_task(append(each))
    return called, answered


def late(title: str, since: Times, there: Times) -> None:
    assert since.keys() <= there.keys()
    taken = sorted((there[position] - moment) * 1000 for position, moment in since.items())
    p50, p99 = (taken[int(len(taken) * share)] for share in (0.5, 0.99))
    say(f"  {title:44} p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  longest {taken[-1]:7.1f} ms\n")


async def test_every_subscriber_gets_an_event_soon_after_its_append(
    log, batcher, database_url, capsys
):
    """Acceptance S-5, up to the followers."""
    await log.append([request("warm")])
    wanted = requests(PER_S * SECONDS)
    feed, notifier = Feed(log), Notifier(Database(database_url))
    batcher.on_commit(feed.wake)
    batcher.on_commit(notifier.notify)
    last = 1 + len(wanted)
    async with running(feed.run(), notifier.run()), follower(database_url, last) as other:
        await until(lambda: started(feed, 1))
        here = asyncio.create_task(arrivals(feed, 1, last))
        called, answered = await paced(batcher, wanted, PER_S)
        there = await told(other)
        with capsys.disabled():
            say(f"\n{PER_S:,} events/s for {SECONDS} s\n")
            late("call of append to its answer", called, answered)
            late("call to a follower in the same process", called, await here)
            late("answer to a follower in the same process", answered, await here)
            late("call to a follower in another process", called, there)
            late("answer to a follower in another process", answered, there)


async def test_subscribers_find_events_by_polling_without_notifier(
    log, batcher, database_url, capsys
):
    """Acceptance S-1: the notifier dies; p99 under 400 ms."""
    await log.append([request("warm")])
    wanted = requests(2 * SLOWLY_PER_S * SECONDS)
    half = len(wanted) // 2
    notifier = Notifier(Database(database_url))
    batcher.on_commit(notifier.notify)
    async with follower(database_url, 1 + len(wanted)) as other:
        async with running(notifier.run()):
            before = await paced(batcher, wanted[:half], SLOWLY_PER_S)
        after = await paced(batcher, wanted[half:], SLOWLY_PER_S)
        there = await told(other)
    with capsys.disabled():
        say(f"\n{SLOWLY_PER_S:,} events/s, answer to a follower in another process\n")
        late("told by the notifier", before[1], there)
        late("the notifier dead", after[1], there)


async def take(feed: Feed, after: int, last: int) -> None:
    async for events in feed.subscribe(Position(after)):
        if events[-1].position >= last:
            break


async def append_beside(log: Log, url: str, wanted: list, subscribers: int) -> None:
    """Append from many callers while so many subscribers are given each event."""
    head = await log.head()
    batcher, feed = Batcher(log), Feed(log)
    batcher.on_commit(feed.wake)
    waiting = iter(wanted)

    async def call() -> None:
        for each in waiting:
            await batcher.append(each)

    async with running(feed.run(), batcher.run()), asyncio.TaskGroup() as group:
        await until(lambda: started(feed, head))
        for _ in range(subscribers):
            group.create_task(take(feed, head, head + len(wanted)))
        for _ in range(CALLERS):
            group.create_task(call())


async def test_subscribers_do_not_delay_appends(log, owner, database_url, capsys):
    """Acceptance S-4: with 50 subscribers at least 0.9 of the appends a second without any."""
    await log.append([request("warm")])
    alone, beside = [], []
    for _ in range(ROUNDS):
        for subscribers, rounds in ((0, alone), (SUBSCRIBERS, beside)):
            work = append_beside(log, database_url, requests(EVENTS), subscribers)
            rounds.append(await measured(owner, work))
    with capsys.disabled():
        report(f"{SUBSCRIBERS} subscribers, of none", beside, alone)
        report("no subscriber", alone, alone)


async def test_filter_matching_nothing_reaches_the_head(log, batcher, capsys):
    """Acceptance S-2."""
    await asyncio.gather(*(batcher.append(request(f"s{n}", 0)) for n in range(5_000)))
    began, after, head = time.perf_counter(), 0, await log.head()
    while after < head:
        found, after = await log.read_page(after, 100, "nobody")
        assert found == []
    took = time.perf_counter() - began
    with capsys.disabled():
        say(f"\n{head:,} events of others: {took:.3f} s to the head\n")
