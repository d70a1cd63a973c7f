"""Corrections are recorded in every state, of every event of the run, and change nothing else."""

from dataclasses import replace
from typing import get_args

import pytest

from events.envelope import Version
from events.types import run_stream
from projections.documents.lifecycle import RUN_ENDED, RunStatus
from projections.flow_versions import FlowVersions
from service.errors import BadRequest, IdempotencyKeyReused, TooLarge, UnknownRun
from service.runs.domain.commands import RecordCorrection
from service.runs.write.correction_handler import CorrectionHandler
from service.runs.write.run_cache import RunCache
from tests.runs.processes import ORIGIN, cancel, report_events, together
from tests.runs.story import CHAIN, TENANT, Story, running

# In every state


def brought_to(status):
    story = Story(CHAIN, "external") if status == "queued" else running(CHAIN, "external")
    match status:
        case "cancelling":
            story.cancel()
        case "cancelled":
            story.cancel(force=True)
        case "succeeded" | "warned" | "failed":
            story.reports(f"Run{status.capitalize()}")
    assert story.state.status == status
    return story


@pytest.mark.parametrize("status", get_args(RunStatus))
def test_correction_is_allowed_in_every_status_and_changes_no_status(status):
    story = brought_to(status)
    before = story.state
    came = story.correct(1, "a typing error", day=2)
    body = {"position": 1001, "version": 1, "reason": "a typing error", "data": {"day": 2}}
    assert came == [("CorrectionRecorded", body)]
    assert story.state == replace(before, version=before.version + 1)
    assert story.decision.slot_freed is None
    assert story.decision.refusal == ""


@pytest.mark.parametrize("status", sorted(set(get_args(RunStatus)) - RUN_ENDED))
def test_corrected_run_continues_unchanged(status):
    story, other = brought_to(status), brought_to(status)
    other.correct(1)
    end = story.reports("RunFailed")
    assert other.reports("RunFailed") == end
    assert other.state.status == "failed"


def test_correction_of_a_correction_is_recorded():
    story = Story()
    story.correct(1, "wrong")
    (came,) = story.correct(2, "it was right")
    assert came[1]["version"] == 2


# By the writer


def correction(run_id, position, reason="wrong", *, key="", tenant=TENANT, **data):
    return RecordCorrection(tenant, ORIGIN, run_id, position, reason, data, key)


async def corrections(process, run_id):
    return [event for event in await process.stream(run_id) if event.type == "CorrectionRecorded"]


async def test_correction_is_stored_in_the_runs_stream_with_actor_and_reason(process):
    run = await process.start()
    outcome = await process.writer.submit(correction(run.run_id, run.position, "typo", day=2))
    (event,) = await corrections(process, run.run_id)
    assert (event.position, event.version, event.actor) == (outcome.position, 2, "ops")
    assert event.data == {
        "position": run.position,
        "version": 1,
        "reason": "typo",
        "data": {"day": 2},
    }
    assert event.metadata == {"source": "api", "key_id": "k-1"}
    assert event.correlation_id == run.run_id


async def test_event_appended_by_another_process_can_be_corrected(processes):
    here, there = await processes(2)
    run = await here.start("example.EXTERNAL")
    done = await there.writer.submit(report_events(run.run_id, ("TaskStarted", "A")))
    await here.writer.submit(correction(run.run_id, done.position))
    assert len(await corrections(here, run.run_id)) == 1


async def test_correction_of_a_position_outside_the_run_is_refused(process):
    run, other = await process.start(), await process.start()
    head = await process.log.head()
    for position in (1, other.position):
        with pytest.raises(BadRequest) as refused:
            await process.writer.submit(correction(run.run_id, position))
        assert refused.value.field == "position"
        assert f"/v1/runs/{run.run_id}/history" in refused.value.detail
    assert await process.log.head() == head


async def test_correction_of_another_tenants_run_raises_unknown_run(process):
    run = await process.start()
    with pytest.raises(UnknownRun):
        await process.writer.submit(correction(run.run_id, run.position, tenant="elsewhere"))


async def test_correction_larger_than_an_event_is_refused(process):
    run = await process.start()
    await process.writer.submit(correction(run.run_id, run.position, much="x" * 65_000))
    with pytest.raises(TooLarge):
        await process.writer.submit(correction(run.run_id, run.position, much="x" * 65_536))
    assert len(await corrections(process, run.run_id)) == 1


async def test_repeated_correction_is_recorded_once(processes):
    both = await processes(2)
    run = await both[0].start()
    once = correction(run.run_id, run.position, key="k", day=2)
    outcomes = await together(*(process.writer.submit(once) for process in both * 4))
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 7
    (event,) = await corrections(both[0], run.run_id)
    assert {outcome.position for outcome in outcomes} == {event.position}


async def test_correction_key_of_a_different_request_is_refused(process):
    run, other = await process.start(idempotency_key="k"), await process.start()
    await process.writer.submit(correction(run.run_id, run.position, key="k"))
    for changed in (
        correction(run.run_id, run.position, "another reason", key="k"),
        correction(run.run_id, run.position, key="k", day=2),
        correction(other.run_id, other.position, key="k"),
    ):
        with pytest.raises(IdempotencyKeyReused):
            await process.writer.submit(changed)


async def test_concurrent_corrections_are_all_recorded(processes):
    both = await processes(2)
    run = await both[0].start()
    commands = [correction(run.run_id, run.position, str(n)) for n in range(10)]
    outcomes = await together(*(both[n % 2].writer.submit(each) for n, each in enumerate(commands)))
    found = await corrections(both[0], run.run_id)
    assert {event.data["reason"] for event in found} == {str(n) for n in range(10)}
    assert {outcome.position for outcome in outcomes} == {event.position for event in found}


async def test_racing_corrections_reports_and_cancels_all_succeed(processes):
    both = await processes(2)
    run = await both[0].start("example.EXTERNAL")
    works = [both[0].writer.submit(correction(run.run_id, run.position)) for _ in range(10)]
    works += [
        both[1].writer.submit(report_events(run.run_id, ("TaskStarted", task))) for task in "AB"
    ]
    works += [both[0].writer.submit(cancel(run.run_id))]
    outcomes = await together(*works)
    assert [each for each in outcomes if isinstance(each, BaseException)] == []
    told = await both[0].event_types(run.run_id)
    assert told.count("CorrectionRecorded") == 10
    assert told.count("TaskStarted") + told.count("ReportRefused") == 2


async def test_correction_decided_on_a_stale_state_is_recorded(process):
    """No state forbids one: whatever happens between reading the run and the append."""
    run = await process.start("example.EXTERNAL")

    class Slow:
        async def append(self, request):
            await process.writer.submit(report_events(run.run_id, ("RunSucceeded", None)))
            return await process.batcher.append(request)

    corrector = CorrectionHandler(
        process.log, Slow(), RunCache(process.log, FlowVersions(process.log))
    )
    outcome = await corrector.record(correction(run.run_id, run.position))
    stream = await process.log.read_stream(TENANT, run_stream(run.run_id), Version(1))
    assert stream[-1].position == outcome.position
    assert [event.type for event in stream][-2:] == ["RunSucceeded", "CorrectionRecorded"]
