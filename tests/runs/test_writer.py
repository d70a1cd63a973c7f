"""Commands for runs that exist, on a real log."""

import asyncio
from dataclasses import replace

import pytest

from events import types
from events.envelope import AppendRequest, NewEvent, StreamAppend
from service.access import Origin
from service.errors import BadRequest, UnknownRun
from service.runs.domain.commands import (
    CancelRun,
    Outcome,
    ReportedEvent,
    ReportEvents,
    ReportResult,
    TimeOutRun,
)
from service.runs.domain.errors import BrokenStream, RunEnded
from service.runs.write import run_cache
from service.runs.write.ids import new_id
from tests.runs.processes import (
    ORIGIN,
    cancel,
    claim,
    report_events,
    together,
)
from tests.runs.story import TENANT

NOBODY = "018f0000-0000-7000-8000-000000000000"


async def test_claimed_run_whose_tasks_succeed_ends_succeeded(process):
    run = (await process.start()).run_id
    submit = process.writer.submit
    await submit(claim(run))
    worker = {"worker": "w1", "epoch": 1}
    await submit(
        report_events(run, ("TaskStarted", "A"), ("TaskSucceeded", "A"), **worker), internal=True
    )
    outcome = await submit(
        report_events(run, ("TaskStarted", "B"), ("TaskSucceeded", "B"), **worker), internal=True
    )
    stream = await process.stream(run)
    assert [event.type for event in stream] == [
        "RunQueued",
        "RunClaimed",
        "RunStarted",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStarted",
        "TaskSucceeded",
        "RunSucceeded",
    ]
    assert outcome == Outcome(
        run,
        1,
        stream[-1].position,
        "succeeded",
        results=(
            ReportResult("TaskStarted/B", "recorded", stream[5].position),
            ReportResult("TaskSucceeded/B", "recorded", stream[6].position),
        ),
    )


async def test_cached_state_equals_the_fold_of_the_stream(process):
    run = (await process.start("example.EXTERNAL")).run_id
    for report in (("TaskStarted", "A"), ("TaskFailed", "A"), ("TaskStarted", "B")):
        await process.writer.submit(report_events(run, report))
    cached = process.writer._mailboxes._run_cache.peek((TENANT, run))
    stream = await process.stream(run)
    assert cached.state == await process.state(run)
    assert list(cached.positions) == [event.position for event in stream]


async def test_waiting_commands_of_one_run_share_one_append_in_their_order(process):
    run = (await process.start("example.EXTERNAL")).run_id
    reports = [report_events(run, ("TaskOutputRecorded", "A")) for _ in range(2)] + [
        report_events(run, ("TaskSucceeded", "A")),
        report_events(run, ("TaskSucceeded", "B")),
        report_events(run, ("TaskSucceeded", "X")),
    ]
    outcomes = await asyncio.gather(*(process.writer.submit(report) for report in reports))
    assert [outcome.results[0].outcome for outcome in outcomes] == [
        "recorded",
        "duplicate",
        "recorded",
        "recorded",
        "refused",
    ]
    positions = [outcome.position for outcome in outcomes]
    assert positions == sorted(positions)
    assert outcomes[1].results[0].position == outcomes[0].results[0].position


async def test_unstorable_command_fails_alone(process):
    run = (await process.start("example.EXTERNAL")).run_id
    odd = replace(
        report_events(run, ("TaskSucceeded", "A")), origin=Origin("ops", "api", remote="\ud800")
    )
    outcomes = await together(
        process.writer.submit(report_events(run, ("TaskStarted", "A"))),
        process.writer.submit(odd),
        process.writer.submit(report_events(run, ("TaskStarted", "B"))),
    )
    assert [type(outcome) for outcome in outcomes] == [Outcome, BadRequest, Outcome]
    assert (await process.event_types(run))[1:] == ["RunStarted", "TaskStarted", "TaskStarted"]


async def test_command_with_too_long_an_actor_fails_alone(process):
    run = (await process.start("example.EXTERNAL")).run_id
    odd = replace(report_events(run, ("TaskSucceeded", "A")), origin=Origin("x" * 500, "api"))
    outcomes = await together(
        process.writer.submit(report_events(run, ("TaskStarted", "A"))),
        process.writer.submit(odd),
        process.writer.submit(report_events(run, ("TaskStarted", "B"))),
    )
    assert [type(outcome) for outcome in outcomes] == [Outcome, BadRequest, Outcome]


async def test_command_for_a_missing_or_another_tenants_run_raises_unknown_run(process):
    run = (await process.start()).run_id
    for tenant, run_id in ((TENANT, NOBODY), ("other", run), (TENANT, "x\0y")):
        with pytest.raises(UnknownRun):
            await process.writer.submit(CancelRun(tenant, ORIGIN, run_id))


async def test_cancel_of_an_ended_run_is_recorded_and_raised(process):
    run = (await process.start()).run_id
    await process.writer.submit(cancel(run))
    with pytest.raises(RunEnded) as refused:
        await process.writer.submit(cancel(run))
    assert refused.value.outcome == Outcome(run, 1, await process.log.head(), "cancelled")
    assert (await process.event_types(run))[-2:] == ["RunCancelled", "ReportRefused"]


async def test_decision_without_events_is_not_made_on_a_stale_cached_state(processes):
    one, two = await processes(2)
    run = (await one.start("example.EXTERNAL")).run_id
    await one.writer.submit(cancel(run))
    await two.writer.submit(report_events(run, ("RunCancelled", None)))
    with pytest.raises(RunEnded):
        await one.writer.submit(cancel(run))


async def test_timed_out_run_fails_once(process):
    run = (await process.start("example.EXTERNAL")).run_id
    outcome = await process.writer.submit(TimeOutRun(TENANT, ORIGIN, run))
    assert outcome.status == "failed"
    assert (await process.writer.submit(TimeOutRun(TENANT, ORIGIN, run))) == outcome


async def test_report_of_500_events_is_recorded_in_one_call(process):
    run = (await process.start("example.EXTERNAL")).run_id
    many = tuple(
        ReportedEvent(str(n), "TaskOutputRecorded", "A", {"metrics": {"n": n}}) for n in range(500)
    )
    outcome = await process.writer.submit(ReportEvents(TENANT, ORIGIN, run, many))
    assert {result.outcome for result in outcome.results} == {"recorded"}
    assert len(await process.stream(run)) == 502


async def test_broken_stream_fails_only_commands_for_its_own_run(processes):
    one, two = await processes(2)
    broken, sound = [(await one.start("example.EXTERNAL")).run_id for _ in range(2)]
    odd = NewEvent(new_id(), types.TASK_STARTED, b'{"attempt":1,"task":"A"}', "ops")
    stream = StreamAppend(types.run_stream(broken), 1, (odd,))
    await one.batcher.append(AppendRequest(TENANT, (stream,)))
    outcomes = await together(*(two.writer.submit(cancel(run)) for run in (broken, sound)))
    assert [type(outcome) for outcome in outcomes] == [BrokenStream, Outcome]


async def test_burst_of_starts_evicts_no_run_in_progress(process, monkeypatch):
    monkeypatch.setattr(run_cache, "NEW_RUN_CAPACITY", 2)
    cache = process.writer._mailboxes._run_cache
    run = (await process.start("example.EXTERNAL")).run_id
    await process.writer.submit(report_events(run, ("TaskStarted", "A")))
    others = [(await process.start("example.EXTERNAL")).run_id for _ in range(5)]
    assert [name for _, name in cache._new_runs] == others[-2:]
    assert [name for _, name in cache._runs] == [run]
    for other in others:
        await process.writer.submit(report_events(other, ("TaskStarted", "A")))
        assert await process.event_types(other) == ["RunQueued", "RunStarted", "TaskStarted"]
    assert not cache._new_runs


async def test_adding_a_new_run_that_has_advanced_already_changes_nothing(process):
    cache = process.writer._mailboxes._run_cache
    run = (await process.start("example.EXTERNAL")).run_id
    new_run = cache._new_runs[TENANT, run]
    await process.writer.submit(report_events(run, ("TaskStarted", "A")))
    cache.add_new((TENANT, run), new_run)
    assert cache.peek((TENANT, run)).state.version == 3


async def test_evicted_runs_are_read_from_the_log(process, monkeypatch):
    monkeypatch.setattr(run_cache, "RUN_CAPACITY", 1)
    runs = [(await process.start("example.EXTERNAL")).run_id for _ in range(3)]
    for run in runs:
        await process.writer.submit(report_events(run, ("TaskStarted", "A")))
    assert len(process.writer._mailboxes._run_cache._runs) == 1
    assert [await process.event_types(run) for run in runs] == [
        ["RunQueued", "RunStarted", "TaskStarted"]
    ] * 3
