"""A failed run is retried as often as its flow says, each time once, whoever is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace

import pytest

from events import types
from events.types import slot_stream
from projections.documents.flow import Plan, PlanTask, plan_json, plan_of
from service.runs.domain.commands import (
    ReportedEvent,
    ReportEvents,
    RetryRun,
    RetryScope,
    TimeOutRun,
)
from service.runs.domain.retries import should_retry
from service.runs.write.number_sequence import NumbersExhausted
from tests.runs.processes import (
    ORIGIN,
    cancel,
    claim,
    flow,
    register,
    report_events,
    starts,
    together,
)
from tests.runs.story import TENANT, Story

TWICE = Plan((PlanTask("A", "A"), PlanTask("B", "B", ("A",))), retries=2)
LATER = replace(TWICE, retries=1, retry_delay_s=90.0)
FLOWS = (
    flow("TWICE", TWICE, executor="external"),
    flow("HERE", TWICE),
    flow("LATER", LATER, executor="external"),
    flow("SLOT", TWICE, executor="external", exclusive=True),
)
FAILED = ("RunFailed", None)


@pytest.fixture
async def two(processes):
    """Two processes that know the flows of this file."""
    opened = await processes(2)
    await register(opened[0].log, *FLOWS)
    for process in opened:
        await process.catalogue.load()
    return opened


@pytest.fixture
def one(two):
    return two[0]


async def followers(process, run_id):
    """The bodies of the runs that follow a run."""
    return [event.data for event in await starts(process) if event.data["retry_of"] == run_id]


async def follower(process, run_id):
    [body] = await followers(process, run_id)
    return body["run_id"]


async def fail(process, run_id):
    return await process.writer.submit(report_events(run_id, FAILED))


@pytest.mark.parametrize(
    ("before", "after", "attempt", "again"),
    [
        ("running", "failed", 1, True),
        ("queued", "failed", 2, True),
        ("running", "failed", 3, False),
        ("cancelling", "failed", 1, False),
        ("failed", "failed", 1, False),
        ("running", "cancelled", 1, False),
        ("running", "succeeded", 1, False),
        ("running", "warned", 1, False),
        ("queued", "running", 1, False),
    ],
)
def test_only_a_run_that_has_just_failed_is_retried(before, after, attempt, again):
    state = Story(TWICE, attempt=attempt).state
    steps = replace(state, status=before), replace(state, status=after)
    assert should_retry(TWICE, *steps) is again
    assert not should_retry(replace(TWICE, retries=0), *steps)


@pytest.mark.parametrize("plan", [TWICE, LATER, replace(TWICE, retries=0)])
def test_plan_is_stored_with_retries_only_if_it_has_some(plan):
    assert plan_of(plan_json(plan)) == plan
    assert ("retries" in plan_json(plan)) == bool(plan.retries)


async def test_failed_run_is_retried_in_its_chain(one):
    told = {"payload": {"n": 1}, "comment": "nightly", "trigger": "message", "project": "example"}
    run = await one.start("example.TWICE", **told)
    await fail(one, run.run_id)
    [first] = [event for event in await starts(one) if event.data["run_id"] == run.run_id]
    [second] = [event for event in await starts(one) if event.data["retry_of"] == run.run_id]
    assert second.data == first.data | {
        "run_id": second.data["run_id"],
        "run_number": second.data["run_number"],
        "attempt": 2,
        "retry_of": run.run_id,
    }
    assert second.data["run_number"] != first.data["run_number"]
    end = (await one.stream(run.run_id))[-1]
    assert (end.type, second.causation_id) == ("RunFailed", end.event_id)
    assert second.correlation_id == run.run_id
    assert (second.actor, second.metadata) == (ORIGIN.actor, {"source": "api", "key_id": "k-1"})
    assert second.position == end.position + 1


async def test_run_is_not_retried_after_the_last_retry(one):
    run_id = (await one.start("example.TWICE")).run_id
    for attempt in (2, 3):
        await fail(one, run_id)
        [body] = await followers(one, run_id)
        assert (body["attempt"], body["root_run_number"]) == (attempt, body["root_run_number"])
        run_id = body["run_id"]
    await fail(one, run_id)
    assert await followers(one, run_id) == []


async def test_failed_run_of_a_flow_without_retries_is_not_retried(one):
    run_id = (await one.start("example.ONE")).run_id
    await fail(one, run_id)
    assert len(await starts(one)) == 1


@pytest.mark.parametrize("end", ["RunSucceeded", "RunWarned"])
async def test_successful_or_warned_run_is_not_retried(one, end):
    run_id = (await one.start("example.TWICE")).run_id
    await one.writer.submit(report_events(run_id, (end, None)))
    await fail(one, run_id)
    assert len(await starts(one)) == 1


async def test_cancelling_run_is_not_retried_whatever_its_end(one):
    for end in ("RunFailed", "RunCancelled"):
        run_id = (await one.start("example.TWICE")).run_id
        await one.writer.submit(report_events(run_id, ("TaskStarted", "A")))
        await one.writer.submit(cancel(run_id))
        await one.writer.submit(report_events(run_id, (end, None)))
        assert (await one.event_types(run_id))[-1] == end
    assert len(await starts(one)) == 2


async def test_cancel_in_the_same_batch_as_the_failure_prevents_a_retry(one):
    run_id = (await one.start("example.TWICE")).run_id
    await together(one.writer.submit(cancel(run_id)), fail(one, run_id))
    assert (await one.event_types(run_id))[-1] == "RunFailed"
    assert len(await starts(one)) == 1


async def test_timed_out_run_is_retried(one):
    run_id = (await one.start("example.HERE")).run_id
    await one.writer.submit(TimeOutRun(TENANT, ORIGIN, run_id))
    assert (await followers(one, run_id))[0]["attempt"] == 2


async def test_run_is_retried_after_the_final_failure_of_a_task(one):
    run_id = (await one.start("example.HERE")).run_id
    await one.writer.submit(claim(run_id))
    await one.writer.submit(report_events(run_id, ("TaskStarted", "A"), worker="w1", epoch=1))
    await one.writer.submit(report_events(run_id, ("TaskFailed", "A"), worker="w1", epoch=1))
    [body] = await followers(one, run_id)
    assert (body["executor"], body["attempt"]) == ("in_process", 2)


async def test_automatic_retry_has_the_delay_of_its_flow(one):
    run_id = (await one.start("example.LATER")).run_id
    await fail(one, run_id)
    [body] = await followers(one, run_id)
    assert body["delay_s"] == 90.0


async def test_automatic_retry_has_the_flow_version_that_failed(one):
    run_id = (await one.start("example.TWICE")).run_id
    await register(one.log, flow("TWICE", replace(TWICE, retries=0), version=2))
    await one.catalogue.refresh(TENANT)
    await fail(one, run_id)
    assert (await followers(one, run_id))[0]["flow_version"] == 1


async def test_automatic_retry_reuses_the_tasks_that_the_failed_run_reused(one):
    first = (await one.start("example.TWICE")).run_id
    await one.writer.submit(report_events(first, ("TaskSucceeded", "A"), ("TaskFailed", "B")))
    retry = RetryRun(TENANT, ORIGIN, first, scope=RetryScope(only_incomplete=True))
    second = (await one.writer.submit(retry)).run_id
    await fail(one, second)
    [body] = await followers(one, second)
    carried = [{"task": "A", "run_id": first, "status": "succeeded"}]
    assert body["carried"] == carried
    assert body["trigger"] == "retry"


async def test_automatic_retry_keeps_the_slot_of_an_exclusive_flow(two):
    one, other = two
    run_id = (await one.start("example.SLOT")).run_id
    failed, *rivals = await together(
        fail(one, run_id), *(other.start("example.SLOT") for _ in range(10))
    )
    assert failed.results[0].outcome == "recorded"
    assert all(isinstance(rival, Exception) for rival in rivals), rivals
    retry = await follower(one, run_id)
    slot = await one.log.read_stream(TENANT, slot_stream("example.SLOT"))
    told = [(event.type, event.data["run_id"]) for event in slot]
    assert told == [("SlotTaken", run_id), ("SlotFreed", run_id), ("SlotTaken", retry)]
    await one.writer.submit(report_events(retry, ("RunSucceeded", None)))
    assert (await other.start("example.SLOT")).status == "queued"


async def test_run_failed_by_two_processes_at_once_is_retried_once(two):
    for _ in range(10):
        run_id = (await two[0].start("example.TWICE")).run_id
        reports = [
            process.writer.submit(
                ReportEvents(TENANT, ORIGIN, run_id, (ReportedEvent(f"f-{number}", "RunFailed"),))
            )
            for number, process in enumerate(two * 3)
        ]
        timed_out = [process.writer.submit(TimeOutRun(TENANT, ORIGIN, run_id)) for process in two]
        await together(*reports, *timed_out)
        assert len(await followers(two[0], run_id)) == 1


async def test_repeated_failure_report_is_not_retried_again(two):
    run_id = (await two[0].start("example.TWICE")).run_id
    for process in (*two, *two):
        await fail(process, run_id)
    assert len(await followers(two[0], run_id)) == 1


async def test_failure_is_recorded_without_a_retry_if_run_numbers_are_exhausted(one, monkeypatch):
    run_id = (await one.start("example.TWICE")).run_id

    async def none_left():
        raise NumbersExhausted

    monkeypatch.setattr(one.writer._mailboxes._numbers, "next", none_left)
    outcome = await fail(one, run_id)
    assert (outcome.status, await followers(one, run_id)) == ("failed", [])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_run_is_retried_once_if_the_process_is_killed_as_it_fails(one, database_url, when):
    run_id = (await one.start("example.TWICE")).run_id
    doomed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.runs.doomed", database_url, when, run_id)
    )
    assert await doomed.wait() == -signal.SIGKILL
    had_failed = types.RUN_FAILED in await one.event_types(run_id)
    assert had_failed is (when == "after")
    assert len(await followers(one, run_id)) == had_failed
    await fail(one, run_id)
    assert len(await followers(one, run_id)) == 1
