"""How workers and watchers ask for what waits, what is claimed and what is overdue."""

from events import types
from projections.read_models.dispatch import PROJECTION, read
from tests.projections.histories import ONE, History


async def test_a_run_that_is_to_wait_is_seen_when_its_wait_is_over(ledger):
    history = History()
    history.register("example.ETL", ONE)
    history.queue(1, delay_s=3600 * 24 * 365 * 80)
    history.queue(2, delay_s=0.001)
    head = await ledger.write(history)
    async with ledger.applying([PROJECTION]):
        await ledger.reach(head, ["dispatch"])

    async with ledger.read.acquire() as connection:
        waiting = await read.waiting(connection, 10)
        overdue = await read.overdue(connection)

    assert waiting.rows == []
    assert [row["run_number"] for row in overdue.rows] == [2]


async def test_workers_see_what_waits_what_is_claimed_and_what_is_overdue(ledger):
    history = History()
    history.register("example.ETL", ONE)
    history.register("example.LATE", ONE, executor="external", timeout_s=0)
    history.register("example.OUT", ONE, executor="external", timeout_s=3600)
    for number, name in enumerate(["ETL", "ETL", "ETL", "LATE", "OUT"], 1):
        history.queue(number, f"example.{name}")
    history.queue(6, "example.ETL")
    history.tell(types.RUN_CLAIMED, 2, worker="w-2", epoch=1)
    history.tell(types.RUN_CLAIMED, 3, worker="w-1", epoch=1)
    history.tell(types.RUN_CANCEL_REQUESTED, 3, force=False)
    history.tell(types.RUN_CANCELLED, 6)
    head = await ledger.write(history)
    async with ledger.applying([PROJECTION]):
        await ledger.reach(head, ["dispatch"])

    async with ledger.read.acquire() as connection:
        waiting = await read.waiting(connection, 10)
        claimed = await read.claimed(connection)
        overdue = await read.overdue(connection)

    assert [row["run_number"] for row in waiting.rows] == [1]
    assert [(row["worker"], row["run_number"]) for row in claimed.rows] == [("w-1", 3), ("w-2", 2)]
    assert [row["cancel_requested"] for row in claimed.rows] == [True, False]
    assert [row["run_number"] for row in overdue.rows] == [4]
    assert {waiting.position, claimed.position, overdue.position} == {head}
