"""Two runners at one checkpoint, a read model that is held up, and readers that want their own."""

import asyncio

import pytest

from events.database import connect
from projections.live.checkpoints import Checkpoints
from projections.live.projector import Projector
from projections.registry import discover
from tests.kit.duration import times
from tests.kit.gates import gate
from tests.projections.conftest import NAMES, first
from tests.projections.histories import History
from tests.projections.test_runner import assert_rows_are, busy
from tests.waiting import until

WAITS = """
select exists (
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
)
"""
DEFINITION = "select pg_get_functiondef('projections.advance'::regproc)"


@pytest.mark.parametrize("name", NAMES)
async def test_projector_that_waited_for_a_locked_checkpoint_writes_nothing(ledger, name):
    """Acceptance P-2: SKIP LOCKED is taken away, and both runners want the same checkpoint."""
    owner = await connect(ledger.url, role=None)
    (definition,) = await owner.fetchrow(DEFINITION)
    assert "skip locked" in definition
    await owner.execute(definition.replace("skip locked", ""))
    history = busy(40)
    await ledger.write(history)
    events = await ledger.log.read(0, 1000)
    (projection,) = (each for each in discover() if each.name == name)
    winner, loser = [await projector(ledger, projection) for _ in range(2)]
    await winner._connection.execute("begin")
    await winner._write(events[:50])
    losing = asyncio.ensure_future(loser._write(events[:90]))
    await until(lambda: owner.fetchval(WAITS))
    await winner._connection.execute("commit")
    await losing
    assert loser.position == winner.position == 50
    await loser._write(events[50:])
    for connection in (winner._connection, loser._connection, owner):
        await connection.close()
    rest = [each for each in discover() if each.name != name]
    async with ledger.applying():
        await ledger.reach(len(events), [each.name for each in rest])
    await assert_rows_are(ledger, events, history)


@pytest.mark.parametrize("name", NAMES)
async def test_batch_that_met_a_locked_checkpoint_is_folded_again(ledger, name):
    """Who held the row moved nothing, as one that was killed: the same events come again."""
    history = busy(40)
    head = await ledger.write(history)
    events = await ledger.log.read(0, head)
    (projection,) = (each for each in discover() if each.name == name)
    mine = await projector(ledger, projection)
    await mine._write(events[:50])
    owner = await connect(ledger.url, role=None)
    async with owner.transaction():
        await owner.execute("select from projections.checkpoints where name = $1 for update", name)
        await mine._write(events[50:])
        assert mine.position == 50
    await mine._write(events[50:])
    assert mine.position == head
    for connection in (mine._connection, owner):
        await connection.close()
    rest = [each for each in discover() if each.name != name]
    async with ledger.applying():
        await ledger.reach(head, [each.name for each in rest])
    await assert_rows_are(ledger, events, history)


async def projector(ledger, projection) -> Projector:
    made = Projector(
        first(projection),
        feed=ledger.feed,
        database=ledger.database,
        flows=ledger.flows,
    )
    made._connection = await connect(ledger.url, search_path=first(projection).schema)
    await made._restart()
    return made


@pytest.mark.torture
async def test_writer_always_reads_its_own_write(ledger):
    """Acceptance P-5, a thousand times under torture: with the position of the append, at once."""
    history = History()
    history.register()
    await ledger.write(history)
    async with ledger.applying() as runner:
        checkpoints = Checkpoints(ledger.read, runner)
        for number in range(1, times(200, 1000) + 1):
            history.queue(number)
            head = await ledger.write(history, after=number)
            assert await checkpoints.wait(head, NAMES, 30)
            seen = await ledger.read.fetchval("select max(run_number) from executions")
            assert seen == number


async def test_blocked_read_model_slows_no_other(ledger):
    """Acceptance P-6: its statement waits for a lock for as long as the others work."""
    owner = await connect(ledger.url, role=None)
    history = busy()
    others = [name for name in NAMES if name != "workflows"]
    async with gate(owner, "workflows_v1.workflows") as closed, ledger.applying():
        await ledger.write(history)
        await closed.reached()
        history.queue(1000)
        head = await ledger.write(history, after=len(history.events) - 1)
        await ledger.reach(head, others)
        assert (await ledger.state("workflows"))["position"] == 0
        await closed.open()
        await ledger.reach(head)
    await owner.close()
    await assert_rows_are(ledger, await ledger.log.read(0, head), history)
