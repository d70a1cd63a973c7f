"""Workers share the runs, and take over those of dead workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from events import types
from events.codec import encode
from events.envelope import AppendRequest, NewEvent, Position, StreamAppend
from service.executors.executor import Result, StopSignal, Work
from service.executors.heartbeats import HeartbeatTiming
from service.ops.migrations import migrate_all
from service.runs.domain.decider import MAX_WORKER_CRASHES
from service.runs.write.ids import new_id
from tests.executors.ledger import (
    TENANT,
    Gate,
    Ledger,
    ScriptedExecutor,
    Worker,
    fail,
    failing,
    of_type,
    open_ledger,
    story,
    working,
)
from tests.postgres import OwnCluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPATIENT = HeartbeatTiming(interval_s=0.05, isolated_s=30, expiry_s=0.5)
"""For the worker that takes over: heartbeats expire after half a second."""


def claims(events: list) -> list[tuple[str, int]]:
    return [(e.data["worker"], e.data["epoch"]) for e in of_type(events, types.RUN_CLAIMED)]


async def test_two_workers_share_waiting_runs_and_claim_each_once(
    ledger: Ledger, tmp_path: Path
) -> None:
    await ledger.register("A", "B")
    run_ids = [await ledger.start() for _ in range(20)]
    one, two = (ScriptedExecutor(A=Gate()), ScriptedExecutor(A=Gate()))
    url = ledger.service.settings.require_database_url
    async with (
        open_ledger(url, tmp_path) as other,
        working(ledger, one, slots=4),
        working(other, two, slots=4),
    ):
        gates = [scripted.scripts["A"] for scripted in (one, two)]
        for gate in gates:
            await gate.until_entered(4)
        for gate in gates:  # not before both are full: one alone would take all that waits
            gate.open()
        states = [await ledger.ended(run_id) for run_id in run_ids]
        assert {state.status for state in states} == {"succeeded"}
        assert {state.epoch for state in states} == {1}
        assert sorted((w.run_id, w.task.path) for w in one.executed + two.executed) == sorted(
            (run_id, path) for run_id in run_ids for path in ("A", "B")
        )
        assert max(one.peak_tasks, two.peak_tasks) <= 4


async def test_expired_worker_is_taken_over_and_its_late_report_is_refused(
    ledger: Ledger,
) -> None:
    await ledger.register("A", "B")
    gate = Gate(cooperative=False)
    first, second = ScriptedExecutor(A=gate), ScriptedExecutor()
    async with working(ledger, first) as frozen:
        run_id = await ledger.start()
        await gate.until_entered()
        await frozen.freeze()
        async with working(ledger, second, timing=IMPATIENT) as taker:
            assert (await ledger.ended(run_id)).status == "succeeded"
            gate.open()
            events = await ledger.until(
                run_id, lambda e: len(of_type(e, types.REPORT_REFUSED)) == 2
            )
    assert claims(events) == [(frozen.name, 1), (taker.name, 2)]
    assert story(events)[3:9] == [
        "TaskStarted A",
        "RunClaimed",
        "TaskFailed A",
        "TaskStarted A",
        "TaskOutputRecorded A",
        "TaskSucceeded A",
    ]
    (lost,) = of_type(events, types.TASK_FAILED)
    assert (lost.data["reason"], lost.data["will_retry"]) == ("lost", True)
    assert [work.attempt for work in second.executed] == [2, 1]
    assert {e.data["reason"] for e in of_type(events, types.REPORT_REFUSED)} == {
        "epoch 1 is not the run's, which is 2"
    }


async def test_worker_stops_its_task_when_its_run_is_taken_over(ledger: Ledger) -> None:
    await ledger.register("A")
    url = ledger.service.settings.require_database_url
    first, second = Gate(cooperative=False), Gate()
    unaware = HeartbeatTiming(interval_s=0.1, isolated_s=1000)
    async with working(ledger, ScriptedExecutor(A=first), timing=unaware) as slow:
        run_id = await ledger.start()
        await first.until_entered()
        taker = working(ledger, ScriptedExecutor(A=second), timing=IMPATIENT)
        async with held_heartbeat(url, slow), taker:
            await second.until_entered()
            async with asyncio.timeout(20):
                await first.stops[0].forced
            second.open()
            assert (await ledger.ended(run_id)).epoch == 2


@contextlib.asynccontextmanager
async def held_heartbeat(url: str, worker: Worker) -> AsyncIterator[None]:
    """Keep one worker from beating; the others may, and see that it does not."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(
                "select from executors.workers where worker = $1 for update", worker.name
            )
            yield
    finally:
        await connection.close()


async def test_isolated_worker_stops_its_tasks_before_others_take_over(
    ledger: Ledger,
) -> None:
    await ledger.register("A")
    url = ledger.service.settings.require_database_url
    gate = Gate()
    timing = HeartbeatTiming(interval_s=0.1, isolated_s=0.6, expiry_s=2.0)
    async with working(ledger, ScriptedExecutor(A=gate), timing=timing) as isolated:
        run_id = await ledger.start()
        await gate.until_entered()
        second = ScriptedExecutor()
        async with working(
            ledger, second, timing=HeartbeatTiming(interval_s=0.1, expiry_s=2.0)
        ) as taker:
            async with held_heartbeat(url, isolated):
                await gate.stops[0].forced
                assert claims(await ledger.events(run_id)) == [(isolated.name, 1)]
                await ledger.ended(run_id)
            assert claims(await ledger.events(run_id)) == [(isolated.name, 1), (taker.name, 2)]
    assert len(second.executed) == 1


async def test_worker_that_beats_again_reclaims_the_runs_it_stopped(ledger: Ledger) -> None:
    await ledger.register("A")
    url = ledger.service.settings.require_database_url
    gate = Gate()
    async with working(
        ledger, ScriptedExecutor(A=gate), timing=HeartbeatTiming(interval_s=0.1, isolated_s=0.5)
    ) as worker:
        run_id = await ledger.start()
        await gate.until_entered()
        async with held_heartbeat(url, worker):
            await gate.stops[0].forced
        gate.open()
        state = await ledger.ended(run_id)
    assert state.status == "succeeded"
    assert state.tasks["A"].lost_attempts >= 1
    assert {name for name, _ in claims(await ledger.events(run_id))} == {worker.name}


async def test_orphaned_runs_are_claimed_before_waiting_ones(ledger: Ledger) -> None:
    await ledger.register("A")
    first, second = Gate(), Gate()
    async with working(ledger, ScriptedExecutor(A=first)) as dead:
        left = await ledger.start()
        await first.until_entered()
        await dead.freeze()
        executor = ScriptedExecutor(A=second)
        async with working(ledger, executor, slots=1, timing=IMPATIENT) as taker:
            waiting = [await ledger.start() for _ in range(4)]
            await second.until_entered()
            async with asyncio.timeout(20):
                while not taker.dispatcher._orphans:  # noqa: ASYNC110 - an expiry makes no event
                    await asyncio.sleep(0.01)
            second.open()
            for run_id in (left, *waiting):
                assert (await ledger.ended(run_id)).status == "succeeded"
    order = [work.run_id for work in executor.executed]
    assert order.index(left) <= 1


async def test_closing_worker_finishes_its_task_and_starts_no_other(
    ledger: Ledger,
) -> None:
    await ledger.register("A", "B")
    gate = Gate()
    executor, second = ScriptedExecutor(A=gate), ScriptedExecutor()
    async with working(ledger, executor, slots=2) as leaving:
        run_id = await ledger.start()
        await gate.until_entered()
        closing = asyncio.create_task(leaving.dispatcher.close(grace_s=30))
        await asyncio.sleep(0)
        late = await ledger.start()
        gate.open()
        await closing
        assert [work.task.path for work in executor.executed] == ["A"]
        events = await ledger.events(run_id)
        assert story(events)[-1] == "TaskSucceeded A"
        assert story(await ledger.events(late)) == ["RunQueued"]
        async with working(ledger, second) as taker:
            assert (await ledger.ended(run_id)).status == "succeeded"
            assert (await ledger.ended(late)).status == "succeeded"
    assert claims(await ledger.events(run_id)) == [(leaving.name, 1), (taker.name, 2)]
    assert [w.task.path for w in second.executed if w.run_id == run_id] == ["B"]


async def test_runs_left_after_the_grace_period_are_taken_over_at_once(ledger: Ledger) -> None:
    await ledger.register("A")
    gate, second = Gate(), ScriptedExecutor()
    async with working(
        ledger, ScriptedExecutor(A=gate), timing=HeartbeatTiming(interval_s=0.01)
    ) as leaving:
        run_id = await ledger.start()
        await gate.until_entered()
        await leaving.dispatcher.close(grace_s=0.01)
        assert gate.stops[0].forced.done()
        assert not of_type(await ledger.events(run_id), types.TASK_CANCELLED)
        # It is still about, and would beat; but whoever has left is gone for good.
        async with asyncio.timeout(10), working(ledger, second):
            assert (await ledger.ended(run_id)).status == "succeeded"
    assert [work.attempt for work in second.executed] == [2]


async def test_long_task_survives_any_number_of_orderly_worker_stops(
    ledger: Ledger,
) -> None:
    await ledger.register("A")
    run_id = await ledger.start()
    for _ in range(MAX_WORKER_CRASHES + 1):
        gate = Gate()
        async with working(ledger, ScriptedExecutor(A=gate)) as leaving:
            await gate.until_entered()
            await leaving.dispatcher.close(grace_s=0.01)
    async with working(ledger, ScriptedExecutor()):
        assert (await ledger.ended(run_id)).status == "succeeded"
    events = await ledger.events(run_id)
    assert [e.data["reason"] for e in of_type(events, types.TASK_FAILED)] == ["lost"] * (
        MAX_WORKER_CRASHES + 1
    )
    assert not of_type(events, types.REPORT_REFUSED)


async def test_closing_worker_does_not_wait_for_back_offs_and_slots(ledger: Ledger) -> None:
    await ledger.register({"G": {"type": "group", "tasks": [{"A": {"retries": 1}}, "B", "C"]}})
    gate = Gate()
    executor = ScriptedExecutor(A=fail, B=gate)
    async with working(ledger, executor, slots=1, backoff_s=1000) as leaving:
        run_id = await ledger.start()
        await gate.until_entered()
        closing = asyncio.create_task(leaving.dispatcher.close(grace_s=1000))
        gate.open()
        async with asyncio.timeout(20):
            await closing
    assert story(await ledger.events(run_id))[-1] == "TaskSucceeded G/B"
    await ledger.cancel(run_id, force=True)
    assert [work.task.key for work in executor.executed] == ["A", "B"]


async def test_stopping_worker_finishes_the_cancellation_of_its_run(
    ledger: Ledger,
) -> None:
    await ledger.register("A")
    gate = Gate(cooperative=False)
    async with working(ledger, ScriptedExecutor(A=gate)) as leaving:
        run_id = await ledger.start()
        await gate.until_entered()
        await ledger.cancel(run_id)
        await gate.stops[0].requested
        await leaving.dispatcher.close(grace_s=0.01)
        assert (await ledger.ended(run_id)).status == "cancelled"


async def test_restarted_dispatcher_continues_where_it_was(ledger: Ledger) -> None:
    await ledger.register("A", "B")
    gate = Gate()
    executor = ScriptedExecutor(A=gate)
    async with working(ledger, executor) as worker:
        run_id = await ledger.start()
        await gate.until_entered()
        await worker.freeze()
        gate.open()
        await ledger.until(run_id, lambda e: of_type(e, types.TASK_SUCCEEDED))
        worker.running = asyncio.create_task(worker.dispatcher.run())
        state = await ledger.ended(run_id)
    assert (state.status, state.epoch) == ("succeeded", 1)
    assert [work.task.path for work in executor.executed] == ["A", "B"]


async def test_run_that_no_worker_can_drive_fails_with_the_reason(ledger: Ledger) -> None:
    await ledger.register("A")

    def break_the_contract(_work: Work, _stop: StopSignal) -> Result:
        raise RuntimeError("out of order")

    executor = ScriptedExecutor(A=break_the_contract)
    async with working(ledger, executor):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "failed"
    (failed,) = of_type(await ledger.events(run_id), types.RUN_FAILED)
    assert failed.data == {
        "reason": "error",
        "exception": "the worker failed to drive the run: RuntimeError: out of order",
    }
    assert len(executor.executed) == 3


async def test_run_with_a_broken_stream_does_not_block_others(own_ledger: Ledger) -> None:
    ledger = own_ledger
    await ledger.register("A")
    broken, sound = await ledger.start(), await ledger.start()
    event = NewEvent(new_id(), types.TASK_SUCCEEDED, encode({"task": "NOWHERE"}), "somebody")
    request = AppendRequest(TENANT, (StreamAppend(types.run_stream(broken), 1, (event,)),))
    await ledger.service.log.append([request])
    ledger.service.writer._mailboxes._run_cache.evict((TENANT, broken))
    async with working(ledger, ScriptedExecutor(), slots=1) as worker:
        assert (await ledger.ended(sound)).status == "succeeded"
        assert worker.dispatcher._quarantined.keys() == {broken}
    assert not claims(await ledger.events(broken))


async def test_worker_without_slots_claims_nothing_but_times_out_external_runs(
    ledger: Ledger,
) -> None:
    inside = await ledger.register("A")
    await ledger.register("A", executor="external", timeout_s=0.1)
    waiting = await ledger.start(inside)
    external = await ledger.start()
    executor = ScriptedExecutor()
    async with working(ledger, executor, slots=0):
        assert (await ledger.ended(external)).status == "failed"
    (end,) = of_type(await ledger.events(external), types.RUN_FAILED)
    assert end.data["reason"] == "timeout"
    assert story(await ledger.events(waiting)) == ["RunQueued"]
    assert not executor.executed
    await ledger.cancel(waiting)


@pytest.mark.parametrize(
    ("isolated_s", "executed", "epoch"),
    [(30, ["C", "G/A", "G/B"], 1), (1, ["C", "G/A", "G/B", "G/B"], 2)],
)
async def test_task_that_ends_while_postgres_is_away_is_reported_later(
    own_cluster: OwnCluster,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    isolated_s: float,
    executed: list[str],
    epoch: int,
) -> None:
    """Only what a worker had to stop, because it was isolated for too long, is run again."""
    await migrate_all(own_cluster.url)
    gates = {"A": Gate(), "B": Gate()}
    executor = ScriptedExecutor(**gates)
    async with open_ledger(own_cluster.url, tmp_path) as ledger:
        await ledger.register({"G": {"type": "group", "tasks": ["A", "B"]}}, "C")
        async with working(
            ledger, executor, timing=HeartbeatTiming(interval_s=0.1, isolated_s=isolated_s)
        ):
            run_id = await ledger.start()
            for gate in gates.values():
                await gate.until_entered()
            await asyncio.to_thread(own_cluster.kill)
            gates["A"].open()
            async with asyncio.timeout(30):
                while "a report waits" not in caplog.text:  # noqa: ASYNC110 - logs wake nobody
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(own_cluster.start)
            gates["B"].open()
            state = await ledger.ended(run_id)
    assert (state.status, state.epoch) == ("succeeded", epoch)
    assert sorted(work.task.path for work in executor.executed) == executed
    assert executor.arguments()["C"] == (["A's", "B's"],)


async def test_failed_run_is_retried_until_it_succeeds(ledger: Ledger) -> None:
    await ledger.register("A", retries=3)
    first = await ledger.start()
    async with working(ledger, ScriptedExecutor(A=failing(2))):
        third = await followed(ledger, await followed(ledger, first))
        assert (await ledger.ended(third)).status == "succeeded"
    assert await followers(ledger, third) == []


async def test_delayed_retry_is_claimed_when_its_delay_is_over(ledger: Ledger) -> None:
    await ledger.register("A", retries=1, retry_delay_s=0.3)
    first = await ledger.start()
    async with working(ledger, ScriptedExecutor(A=failing(1)), timing=IMPATIENT):
        second = await followed(ledger, first)
        assert (await ledger.ended(second)).status == "succeeded"
    queued, claimed = of_type(await ledger.events(second), types.RUN_QUEUED, types.RUN_CLAIMED)
    assert (claimed.recorded_at - queued.recorded_at).total_seconds() >= 0.3
    assert claims(await ledger.events(second)) == [(claimed.data["worker"], 1)]


async def followers(ledger: Ledger, run_id: str) -> list[str]:
    log = ledger.service.log
    events = await log.read(Position(0), 100_000)
    queued = (event.data for event in events if event.type == types.RUN_QUEUED)
    return [body["run_id"] for body in queued if body["retry_of"] == run_id]


async def followed(ledger: Ledger, run_id: str) -> str:
    assert (await ledger.ended(run_id)).status == "failed"
    [follower] = await followers(ledger, run_id)
    return follower
