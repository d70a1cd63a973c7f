"""The bulk loader: with segments of any size, its rows are those that projectors write."""

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import types
from events.database import connect, load
from events.errors import MissingPositions
from projections.bulk import segments
from projections.bulk.bulk_loader import BulkLoader, finish
from projections.bulk.segments import split_history
from projections.errors import ApplyEventError
from projections.flow_versions import FlowVersions
from projections.registry import discover
from tests import postgres
from tests.projections.conftest import NAMES, opened
from tests.projections.histories import History, run_id
from tests.projections.test_batches import histories

BUILT = "built"


async def mark_nothing(_connection) -> None:
    """Record no progress."""


async def build(ledger, projection, *, target=None, skipped=()) -> dict[str, list[tuple]]:
    """Load the log into a schema of its own, in segments of the configured size; give its rows."""
    connection = await connect(ledger.url, search_path=BUILT, role=None)
    try:
        await connection.execute(f"drop schema if exists {BUILT} cascade; create schema {BUILT}")
        for file in sorted(projection.folder.glob("create*.sql")):
            await connection.execute(load(projection.folder, file.stem))
        head = await ledger.log.head() if target is None else target
        loader = BulkLoader(
            projection,
            schema=BUILT,
            connection=connection,
            flows=FlowVersions(ledger.log),
            skipped=skipped,
            target=head,
        )
        for segment in reversed(await split_history(connection, projection, head)):
            await loader.load(segment, mark_nothing)
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
def small_segments(monkeypatch):
    monkeypatch.setattr(segments, "MAX_EVENTS", 3)
    monkeypatch.setattr(segments, "BUCKET_SIZE", 2)


@given(history=histories(), most=st.integers(1, 50), bucket=st.integers(1, 9))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_segments_of_any_size_give_the_rows_that_projectors_write(
    postgres_run, template_database, history, most, bucket
):
    with (
        pytest.MonkeyPatch.context() as patched,
        postgres.fresh_database(postgres_run, template_database) as url,
    ):
        patched.setattr(segments, "MAX_EVENTS", most)
        patched.setattr(segments, "BUCKET_SIZE", bucket)
        async with opened(url) as ledger:
            head = await ledger.write(history)
            async with ledger.applying():
                await ledger.reach(head, NAMES)
            for projection in discover():
                assert await build(ledger, projection) == await ledger.tables(projection)


async def test_segments_cover_the_log_without_gap_or_overlap(ledger, small_segments):
    history = told()
    head = await ledger.write(history)
    connection = await connect(ledger.url)
    split = await split_history(connection, discover()[0], head)
    await connection.close()
    assert [segment.after for segment in split] == [0, *(each.up_to for each in split[:-1])]
    assert [segment.number for segment in split] == list(range(1, len(split) + 1))
    assert split[-1].up_to == head
    assert max(segment.up_to - segment.after for segment in split) <= 3


async def test_segment_is_bounded_by_the_bytes_of_its_bodies(ledger, monkeypatch):
    monkeypatch.setattr(segments, "MAX_BYTES", 10_000)
    monkeypatch.setattr(segments, "BUCKET_SIZE", 1)
    history = History()
    history.register()
    for number in range(1, 9):
        history.queue(number, payload={"text": "x" * 4_000})
    head = await ledger.write(history)
    connection = await connect(ledger.url)
    split = await split_history(connection, discover()[0], head)
    await connection.close()
    assert len(split) > 1
    assert max(segment.up_to - segment.after for segment in split) <= 3  # the flow and two runs


@pytest.mark.parametrize("projection", discover(), ids=lambda projection: projection.name)
async def test_events_after_the_target_are_not_loaded(ledger, small_segments, projection):
    history = told()
    head = await ledger.write(history)
    before = await build(ledger, projection)
    more = told(history, first=20)
    await ledger.write(more, after=head)
    assert await build(ledger, projection, target=head) == before
    assert await build(ledger, projection) != before


async def test_empty_log_fills_no_table(ledger):
    for projection in discover():
        assert not any((await build(ledger, projection)).values())


async def test_event_that_cannot_be_applied_is_named_by_its_position(ledger, small_segments):
    history = told()
    poison = history.tell(types.TASK_STARTED, 2, task="NO SUCH TASK", attempt=1)
    told(history, first=10)
    await ledger.write(history)
    (workflows,) = (each for each in discover() if each.name == "workflows")
    with pytest.raises(ApplyEventError) as failed:
        await build(ledger, workflows)
    assert (failed.value.first, failed.value.last) == (poison.position, poison.position)
    assert (await build(ledger, workflows, skipped={poison.position}))["workflows"]


async def test_run_of_an_unknown_flow_version_is_named_by_its_position(ledger):
    history = told()
    history.queue(30, "example.ETL", version=9)
    head = await ledger.write(history)
    with pytest.raises(ApplyEventError) as failed:
        await build(ledger, discover()[0])
    assert failed.value.first == head


async def test_segment_that_cannot_be_marked_as_done_leaves_no_row(ledger):
    head = await ledger.write(told())
    (executions,) = (each for each in discover() if each.name == "executions")
    connection = await connect(ledger.url, search_path=BUILT, role=None)
    await connection.execute(f"create schema {BUILT}")
    await connection.execute(load(executions.folder, "create"))
    loader = BulkLoader(
        executions,
        schema=BUILT,
        connection=connection,
        flows=FlowVersions(ledger.log),
        skipped=(),
        target=head,
    )

    async def already_done(_connection) -> None:
        raise LookupError

    (segment,) = await split_history(connection, executions, head)
    with pytest.raises(LookupError):
        await loader.load(segment, already_done)
    assert await rows(connection, BUILT) == {"executions": []}
    await connection.close()


@pytest.mark.parametrize("hole", [1, 4, None])
async def test_missing_position_in_the_log_is_an_alarm(database_url, hole):
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
