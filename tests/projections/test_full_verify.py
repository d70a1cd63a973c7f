"""A check of a read model: what was changed behind its back is named, also while it goes on."""

import asyncio

import pytest

from events import types
from events.database import close_quietly, connect
from events.migrate import migrate
from projections.bulk import segments
from projections.errors import UnknownProjection, VerificationInProgress
from projections.projection import schema_of
from projections.verify.full_verify import full_verification
from tests.projections.conftest import NAMES
from tests.projections.histories import run_id
from tests.projections.test_runner import _skip, busy
from tests.waiting import until

HOLDER = {"flows": "workflows", "lists": "listings", "blocks": "listings"}


@pytest.fixture
async def filled(ledger, monkeypatch):
    """Read models of a busy history, cut into several parts when it is folded again."""
    monkeypatch.setattr(segments, "MAX_EVENTS", 60)
    await migrate(ledger.url)  # the right to make schemas is the database's own: no copy has it
    head = await ledger.write(busy())
    async with ledger.applying():
        await ledger.reach(head)
    return ledger


async def check(ledger, name, step=lambda _: None):
    async with full_verification(ledger.url, ledger.pool, name) as checked:
        return await checked.run(step)


async def edit(ledger, name, statement) -> None:
    connection = await connect(ledger.url, search_path=schema_of(name, 1))
    done = await connection.execute(statement)
    await close_quietly(connection)
    assert done in {"UPDATE 1", "DELETE 1", "INSERT 0 1"}


async def schemas(ledger) -> set[str]:
    rows = await ledger.pool.fetch("select nspname from pg_namespace where nspname ~ '_v[0-9]+$'")
    return {name for (name,) in rows}


@pytest.mark.parametrize("name", NAMES)
async def test_unchanged_read_model_agrees_with_the_log(filled, name):
    covered = []
    found = await check(filled, name, covered.append)

    assert found.different == 0
    assert sum(table.rows for table in found.tables) > 0
    assert found.position == sum(covered) == await filled.log.head()
    assert len(covered) > 1


@pytest.mark.parametrize(
    ("table", "kind", "statement"),
    [
        ("executions", "only right", "delete from executions where run_number = 3"),
        ("flows", "only left", "insert into flows values ('acme', 'made.UP', '{}')"),
        ("load_plans", "differs", "update load_plans set run_number = 0 where run_number = 3"),
        ("dispatch", "differs", f"update dispatch set worker = 'x' where run_id = '{run_id(60)}'"),
        ("listings", "differs", "update listings set status = 'x' where ordinal = 59"),
        ("lists", "differs", "update lists set live = live + 1 where list = ''"),
        ("blocks", "differs", "update blocks set live = live - 1 where list = ''"),
    ],
)
async def test_change_by_hand_is_named(filled, table, kind, statement):
    name = HOLDER.get(table, table)
    await edit(filled, name, statement)

    found = await check(filled, name)
    assert found.different == 1
    (odd,) = [each for each in found.tables if each.different]
    assert (odd.table, [row.kind for row in odd.shown]) == (table, [kind])


async def test_verification_is_exact_while_others_append_and_apply(filled):
    await edit(filled, "executions", "update executions set flow_number = 99 where run_number = 5")
    history = busy()
    written = len(history.events)

    async def write_on():
        number, after = 1000, written
        while True:
            history.queue(number)
            history.tell(types.RUN_STARTED, number)
            await filled.write(history, after=after)
            number, after = number + 1, len(history.events)

    async with filled.applying():
        writing = asyncio.create_task(write_on())
        for name in NAMES:
            found = await check(filled, name)
            assert found.different == (name == "executions"), found
            head = await filled.log.head()
            await until_beyond(filled, head)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert await filled.log.head() > written


async def until_beyond(ledger, position) -> None:
    async def beyond():
        return await ledger.log.head() > position

    await until(beyond)


async def test_verification_leaves_nothing_behind_and_is_invisible(filled):
    before = await schemas(filled)
    rows = await filled.pool.fetchval("select count(*) from projections.checkpoints")
    seen = []

    async with full_verification(filled.url, filled.pool, "executions") as checked:
        await checked.run(lambda _: seen.append(True))
        assert await schemas(filled) == before
    assert seen
    assert await schemas(filled) == before
    assert await filled.pool.fetchval("select count(*) from projections.checkpoints") == rows


async def test_killed_verification_does_not_block_the_next(filled):
    before = await schemas(filled)
    async with full_verification(filled.url, filled.pool, "executions") as checked:

        def die(_covered):
            checked._connection.terminate()

        with pytest.raises(Exception, match=r"clos|terminat"):
            await checked.run(die)

    assert await schemas(filled) == before
    await until(lambda: _free(filled))
    assert (await check(filled, "executions")).different == 0


async def _free(ledger) -> bool:
    try:
        async with full_verification(ledger.url, ledger.pool, "executions"):
            return True
    except VerificationInProgress:
        return False


async def test_concurrent_verification_is_refused_for_the_same_read_model_only(filled):
    async with full_verification(filled.url, filled.pool, "executions"):
        with pytest.raises(VerificationInProgress, match="executions is being verified"):
            await check(filled, "executions")
        assert (await check(filled, "dispatch")).different == 0


async def test_paused_read_model_is_verified_at_its_position(filled):
    history = busy()
    begun = len(history.events)
    history.tell(types.TASK_STARTED, 50, task="NOWHERE")
    history.queue(1000)
    await filled.write(history, after=begun)
    async with filled.applying() as runner:
        await until(lambda: runner.states.get("workflows_v1") == "paused")

    found = await check(filled, "workflows")
    assert (found.position, found.different) == (begun, 0)


async def test_recorded_skips_are_skipped_by_the_verification(filled):
    history = busy()
    begun = len(history.events)
    history.tell(types.TASK_STARTED, 50, task="NOWHERE")
    _skip(history, "workflows", 1, begun + 1)
    head = await filled.write(history, after=begun)
    async with filled.applying():
        await filled.reach(head)

    assert (await check(filled, "workflows")).different == 0


async def test_empty_ledger_agrees(ledger):
    await migrate(ledger.url)
    async with ledger.applying():
        for name in NAMES:
            found = await check(ledger, name)
            assert (found.position, found.different) == (0, 0)


async def test_an_unknown_read_model_is_named(ledger):
    with pytest.raises(UnknownProjection, match="gone"):
        await check(ledger, "gone")
