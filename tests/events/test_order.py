"""One order without gaps that no reader sees incomplete, whatever happens to the writers."""

import asyncio
import random
from collections import defaultdict
from datetime import timedelta

import asyncpg
import pytest

from events.batcher import Batcher
from events.database import close_quietly, connect, connect_pool, translate_errors
from events.envelope import AppendRequest, ExpectedVersion, StreamAppend
from events.errors import AppendTimeout, LogError, LogUnavailable
from events.follow import Feed
from events.store import Log
from tests.events.builders import event, request, running
from tests.kit.duration import times
from tests.postgres import at
from tests.waiting import until

EVERY_LOOP = True

WRITERS, EACH, KILLS = 16, times(40, 1500), times(12, 400)
ROLLED_BACK = """
select log.append(
    '{}', array[('t', 's1')]::log.new_stream[], array[1], array[1], array[-1]::bigint[], array[1],
    array[gen_random_uuid()],
    array[('RolledBack', 1, '{}', '{}', '', '', '', '', null)]::log.new_event[]
)
"""


def multi_stream(number: int) -> AppendRequest:
    """One to three events each for one to three of ten streams."""
    streams = random.sample(range(10), random.randint(1, 3))
    parts = [
        StreamAppend(
            f"s{stream}",
            ExpectedVersion.ANY,
            tuple(event(number=number) for _ in range(random.randint(1, 3))),
        )
        for stream in streams
    ]
    return AppendRequest("t", tuple(parts))


@pytest.fixture
async def two_pools(database_url):
    """What two processes would have."""
    pools = [await connect_pool(database_url, max_size=4) for _ in range(2)]
    yield pools
    for pool in pools:
        pool.terminate()


async def supervised(work):
    """Start a loop again when its connection was cut, as the service does."""
    while True:
        try:
            return await work()
        except LogUnavailable:
            await asyncio.sleep(0.01)


async def follow(feed: Feed, seen: list[int]) -> None:
    async def all_of_it() -> None:
        async for events in feed.subscribe(len(seen)):
            seen.extend(event.position for event in events)

    await supervised(all_of_it)


async def roll_back(url: str) -> None:
    """Append in a transaction that comes to nothing: its positions are given again."""
    connection = await connect(url)
    try:
        while True:
            with translate_errors():
                await connection.execute(f"begin; {ROLLED_BACK}; rollback")
            await asyncio.sleep(random.random() / 100)
    finally:
        await close_quietly(connection)


@pytest.mark.torture
async def test_sixteen_writers_with_connections_killed_make_one_dense_order(
    database_url, two_pools, owner
):
    """Appends of one and of several streams are mixed."""
    logs = [Log(pool) for pool in two_pools]
    batchers = [Batcher(log, max_events=20) for log in logs]
    feeds = [Feed(log, buffer_size=50) for log in logs]
    batchers[0].on_commit(feeds[0].wake)
    seen: list[list[int]] = [[] for _ in range(4)]
    kept: dict[str, int] = {}

    async def write(number: int) -> None:
        for _ in range(EACH):
            wanted = multi_stream(number)
            answer = await batchers[number % 2].append(wanted)
            kept.update((found.event_id, found.position) for found in answer.events)

    async def fire() -> None:
        for _ in range(KILLS):
            await owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
                " and backend_type = 'client backend' order by random() limit 2"
            )
            await asyncio.sleep(random.random() / 10)

    loops = [supervised(loop.run) for loop in (*batchers, *feeds)]
    readers = [follow(feeds[n % 2], seen[n]) for n in range(4)]
    async with running(*loops, *readers, supervised(lambda: roll_back(database_url))):
        await asyncio.gather(fire(), *(write(number) for number in range(WRITERS)))
        head = await owner.fetchval("select position from log.head")
        await until(lambda: reached(seen, head))

    rows = await owner.fetch("select * from log.events order by position")
    assert [row["position"] for row in rows] == list(range(1, head + 1))
    assert seen == [list(range(1, head + 1))] * 4
    stored = {str(row["event_id"]): row["position"] for row in rows}
    assert len(stored) == len(rows)
    assert kept == stored
    assert {row["type"] for row in rows} == {"RunStarted"}
    assert_versions_follow_positions(rows)


async def reached(seen, head) -> bool:
    return all(found and found[-1] >= head for found in seen)


def assert_versions_follow_positions(rows):
    """Each request is all or nothing, and time never goes back."""
    versions = defaultdict(list)
    for row in rows:
        versions[row["stream"]].append(row["version"])
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    times = [row["recorded_at"] for row in rows]
    assert times == sorted(times)


@pytest.fixture
async def gate(owner):
    """Events of the type Slow wait inside their append until the gate's lock is given back."""
    await owner.execute(
        "create function public.wait_at_gate() returns trigger language plpgsql as"
        " $$ begin perform pg_advisory_xact_lock(4711); return new; end $$;"
        " create trigger gate before insert on log.events for each row"
        " when (new.type = 'Slow') execute function public.wait_at_gate()"
    )
    await owner.execute("select pg_advisory_lock(4711)")
    yield lambda: owner.execute("select pg_advisory_unlock(4711)")
    await owner.execute("select pg_advisory_unlock_all()")
    await owner.execute("drop trigger gate on log.events; drop function public.wait_at_gate()")


async def waiting(owner, count: int) -> bool:
    return count == await owner.fetchval(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )


def slow() -> AppendRequest:
    return AppendRequest("t", (StreamAppend("slow", 0, (event("Slow"),)),))


async def test_readers_skip_nothing_while_a_slow_append_is_in_progress(log, owner, gate):
    """The other appends wait, however long it takes."""
    first = asyncio.ensure_future(log.append([slow()]))
    await until(lambda: waiting(owner, 1))
    others = [asyncio.ensure_future(log.append([request(f"s{n}")])) for n in range(4)]
    await until(lambda: waiting(owner, 5))
    assert await log.read(0, 10) == []
    await gate()
    answers = [answer for [answer] in await asyncio.gather(first, *others)]
    assert answers[0].first_position == 1
    assert {answer.first_position for answer in answers} == {1, 2, 3, 4, 5}
    assert [event.position for event in await log.read(0, 10)] == [1, 2, 3, 4, 5]


async def test_append_that_waits_too_long_times_out_and_writes_nothing(log, batcher, owner):
    """The waiting append gets an error."""
    async with owner.transaction():
        await owner.execute("select from log.head for update")
        appends = [batcher.append(request(f"s{n}")) for n in range(3)]
        refused = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(error) for error in refused] == [AppendTimeout] * 3
    assert await log.head() == 0
    assert (await batcher.append(request("s0", 0))).first_position == 1


async def test_append_with_connection_lost_in_its_transaction_leaves_nothing(log, owner, gate):
    first = asyncio.ensure_future(log.append([slow(), request("s")]))
    await until(lambda: waiting(owner, 1))
    await owner.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
    with pytest.raises(LogError):
        await first
    [answer] = await log.append([request("s", 0)])
    assert answer.first_position == 1
    assert [event.stream for event in await log.read(0, 10)] == ["s"]


async def test_recorded_at_never_goes_back_with_the_clock(log, owner):
    """After the clock steps back, the last recorded time lies in the future."""
    await log.append([request("s")])
    ahead = await owner.fetchval(
        "update log.head set recorded_at = recorded_at + interval '1 hour' returning recorded_at"
    )
    first, second = await log.append([request("s"), request("s")])
    assert (first.recorded_at, second.recorded_at) == (ahead, ahead)
    await owner.execute("update log.head set recorded_at = recorded_at - interval '2 hours'")
    [later] = await log.append([request("s")])
    assert later.recorded_at - ahead < timedelta(0)


async def test_open_transaction_in_another_database_stalls_no_reader(
    database_url, log, batcher, owner
):
    """A reader limited to the oldest open transaction would get nothing."""
    feed, seen = Feed(log), []
    elsewhere = await asyncpg.connect(at(database_url, "postgres"))
    try:
        await elsewhere.execute("begin")
        left_open = await elsewhere.fetchval("select pg_current_xact_id()::text::bigint")
        async with running(supervised(feed.run), follow(feed, seen)):
            for number in range(10):
                await batcher.append(multi_stream(number))
            head = await owner.fetchval("select position from log.head")
            await until(lambda: reached([seen], head))
        floor = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        assert await owner.fetchval(floor) <= left_open
        assert seen == list(range(1, head + 1))
    finally:
        await elsewhere.close()
