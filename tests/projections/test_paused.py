"""A paused read model goes on when told to, and stops at no event that it is to skip."""

import asyncio

import pytest

from events import types
from projections.live.paused import ResumeOutcome, resume, resume_outcome
from projections.registry import discover
from service.access import Origin
from service.errors import PositionAhead
from service.ops.paused import PausedReadModels
from tests.projections.histories import History
from tests.projections.test_runner import _projector, _skip, busy
from tests.waiting import until

WORKFLOWS = next(p for p in discover() if p.name == "workflows")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("projections.live.projector.RECHECK_S", 0.02)


def poisoned() -> tuple[History, int]:
    """A history whose last event `workflows` cannot apply."""
    history = busy(5)
    history.tell(types.TASK_STARTED, 4, task="NOWHERE")
    return history, len(history.events)


async def test_resumed_read_model_passes_a_skipped_event(ledger):
    history, at = poisoned()
    await ledger.write(history)
    async with ledger.applying() as runner:
        await until(lambda: runner.states.get("workflows_v1") == "paused")
        _skip(history, "workflows", 1, at)
        await ledger.write(history, after=at)

        assert await resume(ledger.pool, "workflows", 1, at)
        assert (
            await resume_outcome(ledger.pool, "workflows", 1, at, within_s=20)
            is ResumeOutcome.RESUMED
        )

    state = await ledger.state("workflows")
    assert (state["state"], state["error"], state["error_position"]) == ("running", None, None)


async def test_resumed_read_model_pauses_again_at_an_event_it_still_cannot_apply(ledger):
    history, at = poisoned()
    await ledger.write(history)
    async with ledger.applying() as runner:
        await until(lambda: runner.states.get("workflows_v1") == "paused")

        assert await resume(ledger.pool, "workflows", 1, at)
        assert (
            await resume_outcome(ledger.pool, "workflows", 1, at, within_s=20)
            is ResumeOutcome.PAUSED_AGAIN
        )


async def test_resume_must_name_the_event_it_is_paused_before(ledger):
    history, at = poisoned()
    await ledger.write(history)
    async with ledger.applying() as runner:
        await until(lambda: runner.states.get("workflows_v1") == "paused")

    for name, version, before in [
        ("workflows", 1, at - 1),
        ("workflows", 2, at),
        ("listings", 1, at),
    ]:
        assert not await resume(ledger.pool, name, version, before)
    assert (await ledger.state("workflows"))["state"] == "paused"


async def test_outcome_is_waiting_while_no_process_applies_events(ledger):
    history, at = poisoned()
    await ledger.write(history)
    async with ledger.applying() as runner:
        await until(lambda: runner.states.get("workflows_v1") == "paused")

    assert await resume(ledger.pool, "workflows", 1, at)
    assert (
        await resume_outcome(ledger.pool, "workflows", 1, at, within_s=0.1) is ResumeOutcome.WAITING
    )


async def test_projector_that_missed_the_pause_skips_a_recorded_skip(ledger):
    history, at = poisoned()
    head = await ledger.write(history)
    events = await ledger.log.read(0, head)
    late = await _projector(ledger, WORKFLOWS)
    await late._apply(events[: at - 1])
    _skip(history, "workflows", 1, at)
    await ledger.write(history, after=at)

    await late._apply(events[at - 1 :])  # with the skips of its start: it has none
    assert late.state == "running"
    await late._apply(events[at - 1 :])
    assert late.position == at
    await late._connection.close()


async def test_version_being_built_may_skip_an_event_it_has_not_reached(ledger):
    history, at = poisoned()
    await ledger.write(history)
    await ledger.pool.execute(
        "update projections.checkpoints set state = 'building' where name = 'workflows'"
    )
    pauses, origin = PausedReadModels(ledger.pool, ledger.log), Origin(actor="ops", source="cli")

    skipped = await pauses.skip("workflows", 1, at, reason="why", origin=origin)
    again = await pauses.skip("workflows", 1, at, reason="other", origin=origin)
    assert (skipped.outcome, skipped.skipped_at) == (ResumeOutcome.WAITING, at + 1)
    assert again.skipped_at == skipped.skipped_at
    with pytest.raises(PositionAhead):
        await pauses.skip("workflows", 1, at + 2, reason="beyond the head", origin=origin)
    assert await ledger.log.head() == at + 1


async def test_concurrent_skips_of_one_event_record_one(ledger):
    history, at = poisoned()
    await ledger.write(history)
    await ledger.pool.execute(
        "update projections.checkpoints set state = 'building' where name = 'workflows'"
    )
    pauses, origin = PausedReadModels(ledger.pool, ledger.log), Origin(actor="ops", source="cli")
    row = await pauses.find("workflows", 1)  # as all of them saw it, before any had recorded
    done = await asyncio.gather(*(pauses._record(row, at, f"why {n}", origin) for n in range(8)))

    assert set(done) == {at + 1}
    assert await ledger.log.head() == at + 1
