"""A run in full is the same from its row and from its stream alone."""

from events import types
from projections.projection import fold_run
from projections.read_models.workflows import PROJECTION, read
from tests.projections.histories import CHAIN, TENANT, History, run_id


async def test_fold_of_one_stream_equals_the_row(ledger):
    history = History()
    history.register(plan=CHAIN)
    history.queue()
    history.tell(types.RUN_STARTED)
    history.tell(types.TASK_STARTED, task="A", attempt=1)
    head = await ledger.write(history)
    async with ledger.applying([PROJECTION]):
        await ledger.reach(head, ["workflows"])
    async with ledger.read.acquire() as connection:
        (row,) = (await read.by_run_ids(connection, [(TENANT, run_id(1))])).rows.values()
    stream = await ledger.log.read_stream(TENANT, types.run_stream(run_id(1)))

    assert await fold_run(PROJECTION, stream, ledger.flows) == row


async def test_fold_of_an_empty_stream_is_none(ledger):
    assert await fold_run(PROJECTION, [], ledger.flows) is None
