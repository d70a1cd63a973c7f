"""A rebuild's fold: in parts of any size, the rows are those that the runner writes."""

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import types
from events.database import connect, load
from events.errors import MissingPositions
from projections.bulk import segments as cutting
from projections.bulk.bulk_loader import Folding, finish
from projections.bulk.segments import parts_of
from projections.errors import ApplyEventError
from projections.flow_versions import Flows
from projections.registry import discover
from tests import postgres
from tests.projections.conftest import NAMES, opened
from tests.projections.histories import History, run_id
from tests.projections.test_batches import histories

BUILT = "built"


async def mark(_connection) -> None:
    """A part that nobody keeps book of."""


async def build(ledger, projection, *, target=None, skipped=()) -> dict[str, list[tuple]]:
    """Fold the log, in parts of the size that is set, into a schema of its own; give its rows."""
    connection = await connect(ledger.url, search_path=BUILT, role=None)
    try:
        await connection.execute(f"drop schema if exists {BUILT} cascade; create schema {BUILT}")
        for file in sorted(projection.folder.glob("create*.sql")):
            await connection.execute(load(projection.folder, file.stem))
        head = await ledger.log.head() if target is None else target
        folding = Folding(
            projection,
            schema=BUILT,
            connection=connection,
            flows=Flows(ledger.log),
            skipped=skipped,
            target=head,
        )
        for part in reversed(await parts_of(connection, projection, head)):
            await folding.fold(part, mark)
        await finish(connection, projection)
        return await rows(connection, BUILT)
    finally:
        await connection.close()


async def rows(connection, schema) -> dict[str, list[tuple]]:
    tables = await connection.fetch(
        "select tablename from pg_tables where schemaname = $1 order by 1", schema
    )
    return {
        name: sorted(map(tuple, await connection.fetch(f"select * from {schema}.{name}")), key=repr)
        for (name,) in tables
    }


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(cutting, "MOST_EVENTS", 3)
    monkeypatch.setattr(cutting, "BUCKET", 2)


@given(history=histories(), most=st.integers(1, 50), bucket=st.integers(1, 9))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_parts_give_the_rows_that_the_runner_writes(
    postgres_run, template_database, history, most, bucket
):
    with (
        pytest.MonkeyPatch.context() as patched,
        postgres.fresh_database(postgres_run, template_database) as url,
    ):
        patched.setattr(cutting, "MOST_EVENTS", most)
        patched.setattr(cutting, "BUCKET", bucket)
        async with opened(url) as ledger:
            head = await ledger.write(history)
            async with ledger.applying():
                await ledger.reach(head, NAMES)
            for projection in discover():
                assert await build(ledger, projection) == await ledger.tables(projection)


async def test_parts_cover_the_log_without_gap_or_overlap(ledger, small_parts):
    history = told()
    head = await ledger.write(history)
    connection = await connect(ledger.url)
    parts = await parts_of(connection, discover()[0], head)
    await connection.close()
    assert [part.after for part in parts] == [0, *(part.up_to for part in parts[:-1])]
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert parts[-1].up_to == head
    assert max(part.up_to - part.after for part in parts) <= 3


async def test_a_part_is_bounded_by_the_bytes_of_its_bodies(ledger, monkeypatch):
    monkeypatch.setattr(cutting, "MOST_BYTES", 10_000)
    monkeypatch.setattr(cutting, "BUCKET", 1)
    history = History()
    history.register()
    for number in range(1, 9):
        history.queue(number, payload={"text": "x" * 4_000})
    head = await ledger.write(history)
    connection = await connect(ledger.url)
    parts = await parts_of(connection, discover()[0], head)
    await connection.close()
    assert len(parts) > 1
    assert max(part.up_to - part.after for part in parts) <= 3  # the flow and two runs


@pytest.mark.parametrize("projection", discover(), ids=lambda projection: projection.name)
async def test_nothing_beyond_the_target_is_folded(ledger, small_parts, projection):
    history = told()
    head = await ledger.write(history)
    before = await build(ledger, projection)
    more = told(history, first=20)
    await ledger.write(more, after=head)
    assert await build(ledger, projection, target=head) == before
    assert await build(ledger, projection) != before


async def test_an_empty_log_has_no_parts_and_fills_nothing(ledger):
    for projection in discover():
        assert not any((await build(ledger, projection)).values())


async def test_an_event_that_cannot_be_applied_is_named_by_its_position(ledger, small_parts):
    history = told()
    poison = history.tell(types.TASK_STARTED, 2, task="NO SUCH TASK", attempt=1)
    told(history, first=10)
    await ledger.write(history)
    (workflows,) = (each for each in discover() if each.name == "workflows")
    with pytest.raises(ApplyEventError) as failed:
        await build(ledger, workflows)
    assert (failed.value.first, failed.value.last) == (poison.position, poison.position)
    assert (await build(ledger, workflows, skipped={poison.position}))["workflows"]


async def test_a_run_of_an_unknown_flow_version_is_named_by_its_position(ledger):
    history = told()
    history.queue(30, "example.ETL", version=9)
    head = await ledger.write(history)
    with pytest.raises(ApplyEventError) as failed:
        await build(ledger, discover()[0])
    assert failed.value.first == head


async def test_a_part_that_cannot_be_marked_leaves_no_row(ledger):
    head = await ledger.write(told())
    (executions,) = (each for each in discover() if each.name == "executions")
    connection = await connect(ledger.url, search_path=BUILT, role=None)
    await connection.execute(f"create schema {BUILT}")
    await connection.execute(load(executions.folder, "create"))
    folding = Folding(
        executions,
        schema=BUILT,
        connection=connection,
        flows=Flows(ledger.log),
        skipped=(),
        target=head,
    )

    async def taken(_connection) -> None:
        raise LookupError

    (part,) = await parts_of(connection, executions, head)
    with pytest.raises(LookupError):
        await folding.fold(part, taken)
    assert await rows(connection, BUILT) == {"executions": []}
    await connection.close()


@pytest.mark.parametrize("hole", [1, 4, None])
async def test_a_hole_in_the_log_is_an_alarm(database_url, hole):
    async with opened(database_url, follow=False) as ledger:  # a feed would raise its own alarm
        head = await ledger.write(told())
        owner = await asyncpg.connect(ledger.url)
        await owner.execute("set session_replication_role = replica")
        await owner.execute("delete from log.events where position = $1", hole or head)
        await owner.close()
        with pytest.raises(MissingPositions):
            await build(ledger, discover()[0])


def told(history: History | None = None, first: int = 1) -> History:
    """Runs that begin, go on beside each other, end, and leave the lists."""
    history = history or History()
    if not history.events:
        history.register()
    known = {event.data["run_id"] for event in history.events if event.type == types.RUN_QUEUED}
    numbers = [n for n in range(first, first + 8) if run_id(n) not in known]
    for number in numbers:
        history.queue(number)
        history.tell(types.RUN_STARTED, number)
    for number in numbers[::2] or [first]:
        history.tell(types.TASK_STARTED, number, task="A", attempt=1)
    for number in numbers[1::2] or [first + 1]:
        history.tell(types.RUN_UNLISTED, number)
    return history
