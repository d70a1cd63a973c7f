"""The runner: each event counts once in each read model, whatever happens to whoever applies it."""

import asyncio
import logging

import asyncpg
import orjson
import pytest

from events import types
from events.database import connect
from events.errors import MissingPositions
from projections.live.projector import Projector
from projections.projection import fold_run
from projections.read_models import executions, workflows
from projections.registry import discover
from tests import postgres
from tests.projections.conftest import NAMES, SCHEMAS, filled, first, opened, working
from tests.projections.histories import ONE, TREE, History, fold_all, run_id
from tests.waiting import until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("projections.live.projector.RECHECK_S", 0.02)


def busy(runs: int = 60) -> History:
    """Runs of three flows that start, fail, are tried again, end, and leave the list."""
    history = History()
    history.register("example.ETL")
    history.register("example.PLAN", TREE)
    history.register("example.OUT", ONE, executor="external", timeout_s=60)
    for number in range(1, runs + 1):
        history.queue(number, ("example.ETL", "example.PLAN", "example.OUT")[number % 3])
        earlier = max(1, number - 7)
        history.tell(types.RUN_STARTED, earlier)
        history.tell(types.RUN_CLAIMED, earlier, worker="w", epoch=number)
        task = ("A", "T1", "LOAD")[earlier % 3]
        history.tell(types.TASK_STARTED, earlier, task=task)
        history.tell(
            types.TASK_FAILED, earlier, task=task, reason="error", will_retry=number % 2 == 0
        )
        if number % 4 == 0:
            history.tell(types.RUN_FAILED, earlier, reason="error")
        if number % 5 == 0:
            history.tell(types.RUN_UNLISTED, earlier)
    return history


async def assert_rows_are(ledger, events, history) -> None:
    """The rows of every read model are those of one fold, one event after the other."""
    for projection in discover():
        states = fold_all(projection, events, history)
        expected = {
            key[1:]: orjson.loads(orjson.dumps(projection.document(state)))
            for key, state in states.items()
            if key[0] == "run" and state is not None
        }
        rows = await ledger.pool.fetch(
            f"select tenant, run_id, document from {first(projection).schema}.{projection.name}"
        )
        found = {(row["tenant"], row["run_id"]): orjson.loads(row["document"]) for row in rows}
        assert found == expected, projection.name
    await assert_counts_are_right(ledger)


async def assert_counts_are_right(ledger) -> None:
    wrong = await ledger.pool.fetch("""
        select l.tenant, l.list
        from listings_v1.lists l
        left join lateral (
            select count(*) as issued, count(*) filter (where r.unlisted_position is null) as live
            from listings_v1.listings r
            where r.tenant = l.tenant and l.list in ('', r.fullname)
        ) r on true
        left join lateral (
            select sum(b.live) as live from listings_v1.blocks b
            where b.tenant = l.tenant and b.list = l.list
        ) b on true
        where l.issued <> r.issued or l.live <> r.live or l.live <> b.live
    """)
    assert not wrong


async def test_rows_equal_a_single_threaded_fold(ledger):
    history = busy()
    async with ledger.applying() as runner:
        head = await ledger.write(history)
        await ledger.reach(head)
        await until(lambda: runner.positions == dict.fromkeys(SCHEMAS, head))

    await assert_rows_are(ledger, await ledger.log.read(0, head), history)


async def test_process_continues_where_the_last_one_stopped(ledger):
    history = busy()
    await ledger.write(history)
    async with ledger.applying():
        await ledger.reach(1)
    for number in range(1, 61):
        history.tell(types.TASK_SKIPPED, number, task=("A", "T1", "LOAD")[number % 3])
    head = await ledger.write(history, after=len(history.events) - 60)
    async with ledger.applying():
        await ledger.reach(head)

    await assert_rows_are(ledger, await ledger.log.read(0, head), history)


async def test_two_processes_count_each_event_once(ledger):
    history = busy(150)
    async with opened(ledger.url) as other, ledger.applying(), other.applying():
        for start in range(0, len(history.events), 90):
            part = History()
            part.events = history.events[: start + 90]
            head = await (ledger, other)[start // 90 % 2].write(part, after=start)
        await ledger.reach(head)

    await assert_rows_are(ledger, await ledger.log.read(0, head), history)


async def test_of_concurrent_projectors_one_applies_each_event(ledger):
    """Acceptance P-2: three at one checkpoint row."""
    history = busy()
    head = await ledger.write(history)
    events = await ledger.log.read(0, head)
    for projection in discover():
        rivals = [await _projector(ledger, projection) for _ in range(3)]
        while min(rival.position for rival in rivals) < head:
            # Batches of different sizes: who loses has not seen all that the winner has written.
            await asyncio.gather(
                *(
                    rival._apply(events[rival.position : rival.position + size])
                    for rival, size in zip(rivals, (11, 23, 37), strict=True)
                    if rival.position < head
                )
            )
        for rival in rivals:
            await rival._connection.close()

    await assert_rows_are(ledger, events, history)


async def test_batch_uncommitted_at_a_crash_is_applied_again(ledger):
    history = busy()
    head = await ledger.write(history)
    events = await ledger.log.read(0, head)
    for projection in discover():
        victim = await _projector(ledger, projection)
        await victim._connection.execute("begin")
        await victim._write(events[:100])
        assert victim.position == 100
        victim._connection.terminate()

    async with ledger.applying():
        await ledger.reach(head)

    await assert_rows_are(ledger, events, history)


async def test_event_that_one_read_model_cannot_apply_pauses_only_that_one(ledger, caplog):
    """Acceptance P-4, as one read model has it."""
    history = busy()
    history.tell(types.TASK_STARTED, 50, task="NOWHERE")
    poisoned = len(history.events)
    history.queue(1000)
    async with ledger.applying() as runner:
        head = await ledger.write(history)
        await ledger.reach(head, [name for name in NAMES if name != "workflows"])
        await until(lambda: runner.states.get("workflows_v1") == "paused")

    state = await ledger.state("workflows")
    del state["updated_at"]
    assert state == {
        "name": "workflows",
        "version": 1,
        "position": poisoned - 1,
        "state": "paused",
        "error": f"TaskStarted in run:{run_id(50)}: KeyError: 'NOWHERE'",
        "error_position": poisoned,
        "schema_version": 1,
    }
    assert f"workflows_v1 paused at position {poisoned}" in caplog.text


async def test_value_that_a_table_refuses_pauses_the_read_model_at_its_event(ledger):
    history = busy(10)
    history.queue(2**63)
    poisoned = len(history.events)
    history.tell(types.RUN_STARTED, 1)
    async with ledger.applying() as runner:
        await ledger.write(history)
        await until(lambda: list(runner.states.values()).count("paused") == 2)

    state = await ledger.state("executions")
    assert (state["position"], state["error_position"]) == (poisoned - 1, poisoned)
    assert "OverflowError" in state["error"] or "DataError" in state["error"]


async def test_event_of_a_run_without_a_first_event_pauses(ledger):
    history = busy(3)
    history.tell(types.RUN_STARTED, 77)
    async with ledger.applying() as runner:
        await ledger.write(history)
        await until(lambda: set(runner.states.values()) == {"paused", "running"})
        await until(lambda: list(runner.states.values()).count("paused") == 4)

    assert "has no first event" in (await ledger.state("listings"))["error"]


async def test_run_of_an_unregistered_flow_version_pauses(ledger):
    history = busy(3)
    history.queue(9, "example.GONE")
    async with ledger.applying() as runner:
        await ledger.write(history)
        await until(lambda: set(runner.states.values()) == {"paused"})

    assert "has no version 1 of flow 'example.GONE'" in (await ledger.state("dispatch"))["error"]


async def test_recorded_skip_is_skipped_from_the_start(ledger):
    history = busy(5)
    history.tell(types.TASK_STARTED, 4, task="NOWHERE")
    _skip(history, "workflows", 1, len(history.events))
    head = await ledger.write(history)
    async with ledger.applying():
        await ledger.reach(head)

    assert (await ledger.state("workflows"))["state"] == "running"


@pytest.mark.parametrize(("name", "version"), [("executions", 1), ("workflows", 2)])
async def test_skip_counts_only_for_its_read_model_and_version(ledger, name, version):
    history = busy(5)
    history.tell(types.TASK_STARTED, 4, task="NOWHERE")
    _skip(history, name, version, len(history.events))
    await ledger.write(history)
    async with ledger.applying() as runner:
        await until(lambda: runner.states.get("workflows_v1") == "paused")


async def test_paused_read_model_continues_after_skip_and_retry(ledger):
    history = busy(5)
    history.tell(types.TASK_STARTED, 4, task="NOWHERE")
    poisoned = len(history.events)
    await ledger.write(history)
    async with ledger.applying() as runner:
        await until(lambda: runner.states.get("workflows_v1") == "paused")
        _skip(history, "workflows", 1, poisoned)
        head = await ledger.write(history, after=poisoned)
        await ledger.pool.execute("update projections.checkpoints set state = 'running'")
        await ledger.reach(head)


async def test_unknown_event_type_is_left_to_a_newer_release(ledger, monkeypatch, caplog):
    history = busy(5)
    history.tell("RunTeleported", 1)
    unknown = len(history.events)
    history.queue(99)
    head = await ledger.write(history)
    async with ledger.applying() as runner:
        await until(lambda: set(runner.states.values()) == {"standing by"})
        states = [await ledger.state(name) for name in NAMES]
        assert {(s["position"], s["state"]) for s in states} == {(unknown - 1, "running")}
        monkeypatch.setitem(types.SCHEMA_VERSIONS, "RunTeleported", 1)
        await ledger.reach(head)

    assert caplog.text.count("executions_v1 stands by") == 1


async def test_newer_event_schema_version_is_left_to_a_newer_release(ledger, monkeypatch):
    history = busy(5)
    monkeypatch.setitem(types.SCHEMA_VERSIONS, types.RUN_QUEUED, 0)
    await ledger.write(history)
    async with ledger.applying() as runner:
        await until(lambda: set(runner.states.values()) == {"standing by"})
        assert (await ledger.state("executions"))["position"] == 3


async def test_missing_position_is_an_alarm_and_is_not_skipped(ledger, caplog):
    class Torn:
        async def read_after(self, position, limit):
            raise MissingPositions(position + 1, position + 2)

    projector = _new(ledger, discover()[0], Torn())
    async with working(projector.run()):
        await until(lambda: projector.state == "retrying")

    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "expected position 1, the log returned 2" in record.getMessage()
    assert projector.position == 0


@pytest.mark.parametrize(
    "raised",
    [
        asyncpg.InternalClientError("cannot switch to state 15"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.AdminShutdownError("terminating"),
        ConnectionResetError("reset"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_connection_lost_during_a_fold_does_not_pause(ledger, monkeypatch, raised):
    await ledger.write(busy(5))
    projector = _new(ledger, discover()[0])
    monkeypatch.setattr(projector.cache, "load", failing(raised))
    async with working(projector.run()):
        await until(lambda: projector.state not in {"starting", "running"})

    assert projector.state == "retrying"
    assert (await ledger.state(projector.projection.name))["state"] == "running"


def failing(error):
    async def fail(*_args, **_named):
        raise error

    return fail


async def test_batch_of_too_many_bytes_is_split(ledger, monkeypatch):
    monkeypatch.setattr("projections.live.projector.MAX_BATCH_BYTES", 5_000)
    history = busy()
    head = await ledger.write(history)
    async with ledger.applying():
        await ledger.reach(head)

    await assert_rows_are(ledger, await ledger.log.read(0, head), history)


async def test_no_event_is_lost_when_postgres_is_killed(own_cluster, caplog):
    await postgres.migrate_whole(own_cluster.url)
    history = busy()
    await filled(own_cluster.url, history)
    async with opened(own_cluster.url) as ledger, ledger.applying() as runner:
        await until(lambda: set(runner.states.values()) == {"running"})
        await asyncio.to_thread(own_cluster.kill)
        await asyncio.to_thread(own_cluster.start)
        history.queue(1000)
        head = await ledger.write(history, after=len(history.events) - 1)
        await ledger.reach(head)
        await assert_rows_are(ledger, await ledger.log.read(0, head), history)

    assert "executions_v1 at position" in caplog.text


def _new(ledger, projection, feed=None) -> Projector:
    return Projector(
        first(projection),
        feed=feed or ledger.feed,
        database=ledger.database,
        flows=ledger.flows,
    )


async def _projector(ledger, projection) -> Projector:
    projector = _new(ledger, projection)
    projector._connection = await connect(ledger.url, search_path=first(projection).schema)
    await projector._restart()
    return projector


def _skip(history, name, version, position) -> None:
    history.note(
        types.ADMINISTRATION_STREAM,
        types.EVENT_SKIPPED,
        tenant=types.EVERY_TENANT,
        projection=name,
        version=version,
        position=position,
    )


async def test_document_from_the_cache_equals_a_fold_of_the_stream(ledger):
    async with ledger.applying() as runner:
        head = await ledger.write(busy(30))
        await ledger.reach(head)
        events = await ledger.log.read(0, head)
        for projection in (executions.PROJECTION, workflows.PROJECTION):
            runs = set()
            for index, event in enumerate(events):
                shown = runner.document_after(projection, event)
                if shown is not None:
                    runs.add(event.stream)
                    before = [each for each in events[: index + 1] if each.stream == event.stream]
                    assert shown == await fold_run(projection, before, ledger.flows)
            assert len(runs) == 30
        idle = ledger.runner()
        assert all(idle.document_after(executions.PROJECTION, event) is None for event in events)
