"""The batcher: group commit, in order, each request written at most once."""

import asyncio
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from events.batcher import Batcher
from events.database import connect_pool
from events.envelope import AppendRequest, StreamAppend
from events.errors import InvalidEvent, LogBusy, LogUnavailable, VersionConflict
from events.migrate import migrate
from events.store import Log
from tests.events.builders import event, request, running
from tests.kit.proxy import Proxy
from tests.waiting import until

EVERY_LOOP = True

TERMINATE = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid()"
)


async def appended(batcher, requests):
    return await asyncio.gather(*(batcher.append(each) for each in requests))


def batch_sizes(answers):
    """How many requests each statement took: one statement has one time."""
    return Counter(answer.recorded_at for answer in answers).values()


async def test_pending_requests_go_into_one_statement(batcher):
    answers = await appended(batcher, [request(f"s{n}", 0) for n in range(50)])
    assert list(batch_sizes(answers)) == [50]
    assert [answer.first_position for answer in answers] == list(range(1, 51))


async def test_many_pending_requests_go_into_two_concurrent_statements(batcher, owner):
    for version in (0, 1):
        async with owner.transaction():
            await owner.execute("select from log.head for update")
            many = [request(f"s{n}", version) for n in range(100)]
            waiting = asyncio.ensure_future(appended(batcher, many))
            await until(lambda: blocked(owner, 2))
        assert list(batch_sizes(await waiting)) == [50, 50]


async def test_requests_sharing_a_stream_go_into_one_statement(batcher):
    """Starts name their tenant's flows, if only as a condition: what is left behind would wait."""
    flows = StreamAppend("flows", 0)
    starts = [AppendRequest("t", (*request(f"s{n}", 0).streams, flows)) for n in range(80)]
    others = [request(f"u{n}", 0) for n in range(20)]
    assert list(batch_sizes(await appended(batcher, [*starts, *others]))) == [80, 20]


async def test_statement_takes_at_most_half_of_pending_and_in_flight(batcher, owner):
    await batcher.append(request())  # the first commit asks for partitions, which takes time
    async with owner.transaction():
        await owner.execute("select from log.head for update")
        first = asyncio.ensure_future(appended(batcher, [request(f"s{n}") for n in range(40)]))
        await until(lambda: blocked(owner, 1))
        others = asyncio.ensure_future(appended(batcher, [request(f"t{n}") for n in range(60)]))
        await until(lambda: blocked(owner, 2))
    assert list(batch_sizes([*await first, *await others])) == [40, 50, 10]


async def test_caller_appending_again_is_in_the_next_statement(batcher, owner):
    """Left to chance, small statements follow large ones, and the database waits between them."""

    async def twice(stream):
        return [await batcher.append(request(stream)) for _ in "12"]

    await batcher.append(request())  # the first commit asks for partitions, which takes time
    async with owner.transaction():
        await owner.execute("select from log.head for update")
        asking = asyncio.gather(*(twice(f"s{n}") for n in range(40)))
        await until(lambda: blocked(owner, 1))
        same_streams = [request(f"s{n}") for n in range(10)]
        waiting = asyncio.ensure_future(appended(batcher, same_streams))
        await asyncio.sleep(0)
    answers = [answer for pair in await asking for answer in pair]
    assert sorted(batch_sizes([*answers, *await waiting])) == [40, 50]


async def test_two_statements_in_flight_never_share_a_stream(batcher, owner):
    async with owner.transaction():
        await owner.execute("select from log.head for update")
        first = asyncio.ensure_future(batcher.append(request("s", 0)))
        await until(lambda: blocked(owner, 1))
        second = asyncio.ensure_future(batcher.append(request("s", 1)))
        other = asyncio.ensure_future(batcher.append(request("u", 0)))
        await asyncio.sleep(0)
        assert await blocked(owner, 1)
    answers = await asyncio.gather(first, second, other)
    assert [answer.first_position for answer in answers] == [1, 2, 3]
    assert list(batch_sizes(answers)) == [1, 2]


async def test_batch_has_at_most_max_events(log):
    batcher = Batcher(log, max_events=10)
    async with running(batcher.run()):
        answers = await appended(batcher, [request("s", events=3) for _ in range(10)])
        assert list(batch_sizes(answers)) == [3, 3, 3, 1]
        await batcher.close()


async def test_batch_has_at_most_max_bytes(log):
    batcher = Batcher(log, max_bytes=1000)
    async with running(batcher.run()):
        large = [request("s", text="x" * size) for size in (300, 300, 300, 2000, 300)]
        assert list(batch_sizes(await appended(batcher, large))) == [3, 1, 1]
        await batcher.close()


async def test_requests_of_one_stream_keep_their_order(batcher):
    answers = await appended(batcher, [request("s", version) for version in range(30)])
    assert [answer.events[0].version for answer in answers] == list(range(1, 31))


async def test_each_request_of_a_batch_gets_its_own_outcome(batcher):
    wanted = [request("s", 0), request("s", 0), request("t", 0)]
    first, refused, last = await asyncio.gather(
        *(batcher.append(each) for each in wanted), return_exceptions=True
    )
    assert (first.first_position, last.first_position) == (1, 2)
    assert refused == VersionConflict("t", "s", 0, 1)


async def test_one_idempotency_key_used_concurrently_is_written_once(batcher, log):
    answers = await appended(batcher, [request("s", key="k") for _ in range(50)])
    assert {(answer.first_position, answer.last_position) for answer in answers} == {(1, 1)}
    assert sum(not answer.duplicate for answer in answers) == 1
    assert await log.head() == 1


async def test_request_beyond_max_pending_raises_log_busy(log):
    batcher = Batcher(log, max_pending=2)
    waiting = [asyncio.ensure_future(batcher.append(request("s"))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(LogBusy):
        await batcher.append(request("s"))
    async with running(batcher.run()):
        assert [answer.first_position for answer in await asyncio.gather(*waiting)] == [1, 2]
        await batcher.close()


async def test_request_cancelled_before_sending_writes_nothing(log):
    batcher = Batcher(log)
    gone, stays = (asyncio.ensure_future(batcher.append(request("s"))) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    async with running(batcher.run()):
        assert (await stays).first_position == 1
        await batcher.close()
    assert await log.head() == 1


async def test_on_commit_gets_committed_events_in_order(batcher, log):
    told = []
    batcher.on_commit(told.extend)
    answers = [request("s", 0, 2), request("s", 7), request("u", 0)]
    await asyncio.gather(*(batcher.append(each) for each in answers), return_exceptions=True)
    await batcher.append(request("v"))
    assert told == await log.read(0, 10)


async def test_caller_cancelled_in_flight_does_not_disturb_the_others(batcher, log, owner):
    async with owner.transaction():
        await owner.execute("select from log.head for update")
        gone, stays = (asyncio.ensure_future(batcher.append(request("s"))) for _ in range(2))
        await until(lambda: blocked(owner, 1))
        gone.cancel()
    assert (await stays).first_position == 2
    assert await log.head() == 2


async def test_failing_on_commit_callback_ends_run_after_all_are_answered(log):
    def fail(events):
        raise ZeroDivisionError

    batcher = Batcher(log)
    batcher.on_commit(fail)
    run = asyncio.ensure_future(batcher.run())
    assert (await batcher.append(request("s"))).first_position == 1
    with pytest.raises(ZeroDivisionError):
        await run


async def test_request_refused_only_by_the_database_fails_alone(batcher, owner):
    """Acceptance A-5, where only the statement tells: it is cut in halves."""
    await owner.execute(
        "create function pg_temp.poison() returns trigger language plpgsql as"
        " $$ begin raise exception 'poison' using errcode = 'data_exception'; end $$;"
        " create trigger poison before insert on log.events for each row"
        " when (new.type = 'Poison') execute function pg_temp.poison()"
    )
    requests = [request(f"s{n}", 0) for n in range(50)]
    requests[17] = AppendRequest("t", (StreamAppend("s17", 0, (event("Poison"),)),))
    try:
        answers = await asyncio.gather(
            *(batcher.append(each) for each in requests), return_exceptions=True
        )
    finally:
        await owner.execute("drop trigger poison on log.events")
    assert isinstance(answers.pop(17), InvalidEvent)
    assert [answer.first_position for answer in answers] == list(range(1, 50))


async def test_same_request_from_fifty_callers_over_lost_connections_is_stored_once(batcher, owner):
    """Acceptance A-1."""
    wanted = request("s", 0, 2, key="k")
    answers = []
    cutting = asyncio.Lock()

    async def caller():
        for _ in range(20):
            answers.append(await batcher.append(wanted))
            if random.random() < 0.02:
                async with cutting:
                    await owner.execute(TERMINATE)

    await asyncio.gather(*(caller() for _ in range(50)))
    assert len(answers) == 1000
    assert {(answer.first_position, answer.last_position) for answer in answers} == {(1, 2)}
    assert await owner.fetchval("select position from log.head") == 2


@pytest.mark.parametrize("key", ["", "k"], ids=["by event id", "by key"])
async def test_append_with_lost_answer_is_reclaimed(database_url, log, key):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        async with Proxy(database_url, Path(folder), b"LOST").running() as proxy:
            pool = await connect_pool(proxy.url)
            batcher = Batcher(Log(pool))
            told = []
            batcher.on_commit(told.extend)
            lost = [request("s", 1, key=key, text="LOST"), request("u", 0, 2)]
            async with running(batcher.run()):
                await batcher.append(request("s", 0))
                answers = await appended(batcher, lost)
                await batcher.close()
            await pool.close()
    assert proxy.slammed == 1
    assert [answer.duplicate for answer in answers] == [False, False]
    assert [event.position for answer in answers for event in answer.events] == [2, 3, 4]
    assert told == await log.read(0, 10)


async def test_duplicate_of_another_writer_stays_duplicate_after_lost_answer(database_url, log):
    await log.append([request("s", 0, key="k")])
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        async with Proxy(database_url, Path(folder), b"LOST").running() as proxy:
            pool = await connect_pool(proxy.url)
            batcher = Batcher(Log(pool))
            async with running(batcher.run()):
                answer = await batcher.append(request("s", 0, key="k", text="LOST"))
                await batcher.close()
            await pool.close()
    assert proxy.slammed == 1
    assert (answer.first_position, answer.duplicate) == (1, True)


async def test_callers_fail_while_database_is_away_and_succeed_when_it_is_back(own_cluster):
    await migrate(own_cluster.url)
    pool = await connect_pool(own_cluster.url)
    batcher = Batcher(Log(pool), max_events=10)
    async with running(batcher.run()):
        await batcher.append(request("s", 0))
        own_cluster.stop()
        appends = [asyncio.ensure_future(batcher.append(request("s"))) for _ in range(30)]
        await asyncio.wait(appends, return_when=asyncio.FIRST_COMPLETED)
        assert [type(append.exception()) for append in appends] == [LogUnavailable] * 30
        own_cluster.start()
        assert (await batcher.append(request("s", 1))).first_position == 2
        await batcher.close()
    await pool.close()


async def test_close_sends_pending_requests_and_refuses_new_ones(log):
    batcher = Batcher(log, max_events=10)
    async with running(batcher.run()) as [run]:
        waiting = [asyncio.ensure_future(batcher.append(request("s"))) for _ in range(35)]
        await asyncio.sleep(0)
        await batcher.close()
        assert run.done()
        assert [answer.first_position for answer in await asyncio.gather(*waiting)] == [
            *range(1, 36)
        ]
        with pytest.raises(LogUnavailable):
            await batcher.append(request("s"))


async def test_close_without_run_fails_pending_requests(log):
    batcher = Batcher(log)
    waiting = asyncio.ensure_future(batcher.append(request("s")))
    await asyncio.sleep(0)
    await batcher.close()
    with pytest.raises(LogUnavailable):
        await waiting
    assert await log.head() == 0


async def test_stopped_batcher_fails_requests_in_flight_and_sends_the_rest_when_restarted(
    log, owner
):
    batcher = Batcher(log, max_events=1)
    async with owner.transaction():
        await owner.execute("select from log.head for update")
        async with running(batcher.run()):
            flying = asyncio.ensure_future(batcher.append(request("s")))
            waiting = asyncio.ensure_future(batcher.append(request("s")))
            await until(lambda: blocked(owner, 1))
    with pytest.raises(LogUnavailable):
        await flying
    async with running(batcher.run()):
        answer = await waiting
        await batcher.close()
    assert answer.last_position == await log.head()


async def blocked(owner, count) -> bool:
    await owner.execute("select pg_stat_clear_snapshot()")  # else a transaction sees the first look
    return count == await owner.fetchval(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
