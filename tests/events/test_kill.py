"""Killed at any step, the log keeps all acknowledged appends; each other is all or nothing."""

import asyncio
import random

from events.batcher import Batcher
from events.database import connect, connect_pool
from events.envelope import AppendRequest, StreamAppend
from events.errors import LogUnavailable
from events.migrate import migrate
from events.store import Log
from tests.events.builders import event, request, running
from tests.waiting import until

STEPS = ("events", "event_ids", "streams", "idempotency", "head")


async def waits_at_gate(owner) -> bool:
    return await owner.fetchval(
        "select exists (select from pg_stat_activity"
        " where datname = current_database() and wait_event = 'advisory')"
    )


async def gates(owner) -> None:
    """A gate at each table the append writes; the step named in the setting waits there."""
    await owner.execute(
        "create table public.gate (step text);"
        "create function public.wait_at_gate() returns trigger language plpgsql security definer as"
        " $$ begin if exists (select from public.gate where step = tg_argv[0]) then"
        " perform pg_advisory_xact_lock(4711); end if; return new; end $$;"
    )
    for step in STEPS:
        await owner.execute(
            f"create trigger gate before insert or update on log.{step} for each row"
            f" execute function public.wait_at_gate({step})"
        )


async def test_append_killed_at_any_step_is_retried_and_written_once(own_cluster):
    await migrate(own_cluster.url)
    owner = await connect(own_cluster.url, role=None)
    await gates(owner)
    pool = await connect_pool(own_cluster.url)
    log = Log(pool)
    for number, step in enumerate(STEPS):
        await owner.execute("insert into public.gate values ($1)", step)
        await owner.execute("select pg_advisory_lock(4711)")
        batcher = Batcher(log)
        async with running(batcher.run()):
            append = asyncio.ensure_future(
                batcher.append(request("s", 2 * number, 2, key=f"k{number}"))
            )
            await until(lambda: waits_at_gate(owner))  # noqa: B023
            own_cluster.kill()
            own_cluster.start()
            owner = await connect(own_cluster.url, role=None)
            await owner.execute("truncate public.gate")
            answer = await append
            await batcher.close()
        assert (answer.first_position, answer.duplicate) == (2 * number + 1, False)
        assert [event.position for event in await log.read(0, 100)] == [*range(1, 2 * number + 3)]
    await owner.close()
    await pool.close()


async def test_acknowledged_appends_survive_kills_and_others_are_all_or_nothing(own_cluster):
    await migrate(own_cluster.url)
    pool = await connect_pool(own_cluster.url, max_size=4)
    log = Log(pool)
    batcher = Batcher(log, max_events=20)
    kept: dict[str, int] = {}
    lost = 0
    done = asyncio.Event()

    async def write(number: int) -> None:
        nonlocal lost
        while not done.is_set():
            parts = (
                StreamAppend(f"s{number}", -1, (event(writer=number), event())),
                StreamAppend("all", -1, (event(),)),
            )
            try:
                answer = await batcher.append(AppendRequest("t", parts))
            except LogUnavailable:
                lost += 1
                await asyncio.sleep(0.01)
            else:
                kept.update((found.event_id, found.position) for found in answer.events)

    async def fifty_more() -> None:
        wanted = len(kept) + 50
        await until(lambda: more_than(kept, wanted))

    async def kill() -> None:
        for _ in range(3):
            await fifty_more()
            await asyncio.sleep(random.random() / 50)
            own_cluster.kill()
            own_cluster.start()
        await fifty_more()
        done.set()

    async with running(batcher.run()):
        await asyncio.gather(kill(), *(write(number) for number in range(8)))
        await batcher.close()
    events = []
    while page := await log.read(len(events), 1000):
        events += page
    assert kept.items() <= {found.event_id: found.position for found in events}.items()
    by_stream = [found.stream for found in events]
    assert by_stream[2::3] == ["all"] * (len(events) // 3)
    assert len(events) % 3 == 0
    assert len(events) <= len(kept) + 3 * lost
    await pool.close()


async def more_than(kept, count) -> bool:
    return len(kept) > count
