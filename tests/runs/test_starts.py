"""Starts and retries on a real log."""

import asyncio
from dataclasses import replace

import pytest

from events import types
from service.errors import (
    FlowBusy,
    IdempotencyKeyReused,
    InvalidPayload,
    RunNotFinished,
    UnknownFlow,
    UnknownRun,
)
from service.runs.domain.commands import Outcome, RetryRun, RetryScope, StartRun
from service.runs.write.ids import RunNumbers
from service.runs.write.number_sequence import NumberBlocks
from tests.runs.processes import (
    ORIGIN,
    SCHEMA,
    cancel,
    flow,
    register,
    report_events,
    retired,
    starts,
    together,
)
from tests.runs.story import CHAIN, TENANT

# Starts


async def test_answered_start_is_in_the_log(process):
    outcome = await process.start(payload={"rows": 3}, comment="why")
    [event] = await process.stream(outcome.run_id)
    assert outcome == Outcome(outcome.run_id, 1, event.position, "queued", created_event=event)
    assert event.data == {
        "run_id": outcome.run_id,
        "run_number": 1,
        "flow": "example.CHAIN",
        "flow_version": 1,
        "executor": "in_process",
        "exclusive": False,
        "payload": {"rows": 3},
        "comment": "why",
        "trigger": "on_demand",
        "started_by": "ops",
        "attempt": 1,
        "retry_of": None,
        "root_run": outcome.run_id,
        "root_run_number": 1,
    }
    assert event.metadata == {"source": "api", "key_id": "k-1"}
    assert (event.actor, event.correlation_id, event.causation_id) == ("ops", outcome.run_id, "")


async def test_project_of_a_start_is_stored_and_passed_on_to_a_retry(process):
    first = await process.start(project="exam")
    second = await process.writer.submit(RetryRun(TENANT, ORIGIN, first.run_id))
    for outcome in (first, second):
        assert (await process.stream(outcome.run_id))[0].data["project"] == "exam"


async def test_run_numbers_of_two_processes_are_distinct(processes):
    both = await processes(2)
    made = [process.start() for process in both for _ in range(150)]
    numbers = [outcome.run_number for outcome in await asyncio.gather(*made)]
    assert len(set(numbers)) == 300
    assert min(numbers) > 0


async def test_start_of_an_unregistered_flow_raises_unknown_flow(process):
    with pytest.raises(UnknownFlow):
        await process.start("example.NOTHING")


async def test_start_with_an_invalid_payload_writes_nothing(process):
    head = await process.log.head()
    with pytest.raises(InvalidPayload):
        await process.start("example.PICKY", payload={"rows": "three"})
    assert await process.log.head() == head


async def test_flow_registered_by_another_process_is_found(process):
    await register(process.log, flow("NEW", CHAIN, number=9))
    assert (await process.start("example.NEW")).status == "queued"


async def test_process_with_a_stale_catalogue_cannot_start_a_retired_flow(process):
    await register(process.log, retired("CHAIN"))
    assert process.catalogue.find(TENANT, "example.CHAIN") is not None
    with pytest.raises(UnknownFlow):
        await process.start()


async def test_process_with_a_stale_catalogue_starts_the_new_version(process):
    await register(process.log, flow("CHAIN", CHAIN, version=2))
    outcome = await process.start()
    [event] = await process.stream(outcome.run_id)
    assert event.data["flow_version"] == 2


async def test_flow_retired_while_its_start_waits_is_not_started(process):
    waits, go_on = asyncio.Event(), asyncio.Event()

    async def fetch(blocks):
        waits.set()
        await go_on.wait()
        return await NumberBlocks(process.pool).take(blocks)

    process.writer._starts._numbers = RunNumbers(fetch)
    start = asyncio.create_task(process.start())
    await waits.wait()
    await register(process.log, retired("CHAIN"))
    await process.catalogue.refresh(TENANT)
    go_on.set()
    with pytest.raises(UnknownFlow):
        await start


async def test_refused_start_uses_up_no_run_number(process):
    await process.start("example.ALONE")
    for name, error in (
        ("example.ALONE", FlowBusy),
        ("example.X", UnknownFlow),
        ("example.PICKY", InvalidPayload),
    ):
        with pytest.raises(error):
            await process.start(name)
    assert (await process.start()).run_number == 2


# Idempotency


async def test_fifty_concurrent_equal_starts_make_one_run(processes):
    both = await processes(2)
    calls = [both[n % 2].start(payload={"n": 1}, idempotency_key="once") for n in range(50)]
    outcomes = await together(*calls)
    assert len({outcome.run_id for outcome in outcomes}) == 1
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 49
    assert len(await starts(both[0])) == 1


async def test_repeated_start_returns_the_run_as_it_is_now(process):
    first = await process.start(idempotency_key="k")
    await process.writer.submit(cancel(first.run_id))
    again = await process.start(idempotency_key="k")
    assert again == Outcome(
        first.run_id, first.run_number, await process.log.head(), "cancelled", replayed=True
    )


@pytest.mark.parametrize(
    "more",
    [{"payload": {"a": 1}}, {"comment": "x"}, {"exclusive": True}, {"project": "example.x"}],
)
async def test_idempotency_key_of_a_different_request_is_refused(process, more):
    await process.start(idempotency_key="k")
    with pytest.raises(IdempotencyKeyReused):
        await process.start(idempotency_key="k", **more)


async def test_idempotency_key_of_another_tenant_does_not_match(process):
    await process.start(idempotency_key="k")
    other = StartRun("other", ORIGIN, "example.CHAIN", idempotency_key="k")
    with pytest.raises(UnknownFlow):
        await process.writer.submit(other)


async def test_repeated_start_is_answered_after_the_flow_is_retired(process):
    first = await process.start(idempotency_key="k")
    await register(process.log, retired("CHAIN"))
    await process.catalogue.refresh(TENANT)
    assert (await process.start(idempotency_key="k")).run_id == first.run_id
    with pytest.raises(IdempotencyKeyReused):
        await process.start(idempotency_key="k", comment="other")
    with pytest.raises(UnknownFlow):
        await process.start(idempotency_key="new")


async def test_repeated_exclusive_start_is_answered_while_its_run_holds_the_slot(process):
    first = await process.start("example.ALONE", idempotency_key="k")
    again = await process.start("example.ALONE", idempotency_key="k")
    assert (again.run_id, again.replayed) == (first.run_id, True)


# Retries


async def test_retry_is_a_new_run_that_names_the_retried_and_the_root_run(process):
    first = await process.start(payload={"rows": 1}, comment="c")
    second = await process.writer.submit(RetryRun(TENANT, ORIGIN, first.run_id))
    third = await process.writer.submit(RetryRun(TENANT, ORIGIN, second.run_id))
    [queued] = await process.stream(third.run_id)
    [before] = await process.stream(second.run_id)
    named = ("attempt", "retry_of", "root_run", "root_run_number", "trigger", "payload", "comment")
    assert [queued.data[name] for name in named] == [
        3,
        second.run_id,
        first.run_id,
        first.run_number,
        "retry",
        {"rows": 1},
        "c",
    ]
    assert (queued.correlation_id, queued.causation_id) == (first.run_id, before.event_id)


async def test_retry_of_another_tenants_run_raises_unknown_run(process):
    first = await process.start()
    with pytest.raises(UnknownRun):
        await process.writer.submit(RetryRun("other", ORIGIN, first.run_id))


async def test_retry_validates_the_payload_by_the_current_schema(process):
    first = await process.start(payload={})
    await register(process.log, flow("CHAIN", CHAIN, version=2, payload_schema=SCHEMA))
    with pytest.raises(InvalidPayload):
        await process.writer.submit(RetryRun(TENANT, ORIGIN, first.run_id))


async def test_repeated_retry_returns_the_same_run(process):
    first = await process.start()
    command = RetryRun(TENANT, ORIGIN, first.run_id, idempotency_key="again")
    once, twice = [await process.writer.submit(command) for _ in range(2)]
    assert (twice.run_id, twice.replayed) == (once.run_id, True)
    with pytest.raises(IdempotencyKeyReused):
        await process.start(idempotency_key="again")


async def test_retry_of_incomplete_tasks_reuses_the_completed_ones(process):
    first = await failed_after_a(process)
    command = RetryRun(TENANT, ORIGIN, first.run_id, scope=RetryScope(only_incomplete=True))
    second = await process.writer.submit(command)
    [queued] = await process.stream(second.run_id)
    assert queued.data["carried"] == [{"task": "A", "run_id": first.run_id, "status": "succeeded"}]
    state = await process.state(second.run_id)
    assert {path: task.status for path, task in state.tasks.items()} == {
        "A": "succeeded",
        "B": "pending",
    }


async def test_scoped_retry_of_an_open_run_writes_nothing_and_succeeds_after_its_end(processes):
    one, two = await processes(2)
    first = await one.start("example.EXTERNAL")
    command = RetryRun(TENANT, ORIGIN, first.run_id, scope=RetryScope(2))
    head = await one.log.head()
    with pytest.raises(RunNotFinished):
        await one.writer.submit(command)
    assert await one.log.head() == head
    await two.writer.submit(
        report_events(first.run_id, ("TaskSucceeded", "A"), ("RunFailed", None))
    )
    again = await one.writer.submit(command)
    assert (again.run_number, again.status) == (first.run_number + 1, "queued")


async def test_repeated_scoped_retry_returns_the_same_run_but_another_scope_is_refused(process):
    first = await failed_after_a(process)
    command = RetryRun(
        TENANT,
        ORIGIN,
        first.run_id,
        scope=RetryScope(only_incomplete=True),
        idempotency_key="again",
    )
    once, twice = [await process.writer.submit(command) for _ in range(2)]
    assert (twice.run_id, twice.replayed) == (once.run_id, True)
    for other in (None, RetryScope(), RetryScope(2)):
        with pytest.raises(IdempotencyKeyReused):
            await process.writer.submit(replace(command, scope=other))


async def test_repeated_retry_is_recognised_by_the_requested_id(process):
    first = await failed_after_a(process)
    command = RetryRun(
        TENANT,
        ORIGIN,
        first.run_id,
        scope=RetryScope(2),
        requested_id="the latest",
        idempotency_key="again",
    )
    once = await process.writer.submit(command)
    twice = await process.writer.submit(replace(command, run_id=once.run_id))
    assert (twice.run_id, twice.replayed) == (once.run_id, True)


async def test_exclusive_retry_takes_the_slot_of_any_flow(process):
    first = await failed_after_a(process)
    command = RetryRun(TENANT, ORIGIN, first.run_id, exclusive=True)
    await process.writer.submit(command)
    with pytest.raises(FlowBusy):
        await process.writer.submit(command)


async def failed_after_a(process):
    first = await process.start("example.EXTERNAL")
    told = (("TaskSucceeded", "A"), ("TaskFailed", "B"))
    await process.writer.submit(report_events(first.run_id, *told))
    return first


# Exclusive flows


async def test_one_of_racing_exclusive_starts_wins(processes):
    both = await processes(2)
    outcomes = await together(*(p.start("example.ALONE") for p in both for _ in range(4)))
    assert sum(isinstance(outcome, Outcome) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, FlowBusy) for outcome in outcomes) == 7
    assert len(await starts(both[0])) == 1


async def test_exclusive_flow_can_start_again_after_its_run_ends(processes):
    one, two = await processes(2)
    for _ in range(2):
        first = await one.start("example.ALONE")
        with pytest.raises(FlowBusy, match=first.run_id):
            await two.start("example.ALONE")
        await two.writer.submit(cancel(first.run_id))
        second = await two.start("example.ALONE")
        await one.writer.submit(cancel(second.run_id))
    slot = await one.log.read_stream(TENANT, types.slot_stream("example.ALONE"))
    assert [event.type for event in slot] == [types.SLOT_TAKEN, types.SLOT_FREED] * 4


async def test_exclusive_start_takes_the_slot_of_any_flow(process):
    await process.start(exclusive=True)
    with pytest.raises(FlowBusy):
        await process.start(exclusive=True)
