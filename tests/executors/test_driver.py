"""A claimed run is driven to its end, whatever its tasks do."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from events import types
from service.executors import sanitize
from service.executors.driver import Claim, Driver
from service.executors.executor import Failure, Result, StopSignal, Work
from service.runs.domain.commands import ClaimRun
from service.runs.domain.errors import RunEnded
from service.runs.domain.report_body import MAX_BODY_BYTES
from tests.executors.ledger import (
    ORIGIN,
    TENANT,
    Gate,
    Ledger,
    ScriptedExecutor,
    deps,
    fail,
    failing,
    of_type,
    story,
    working,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUP = {"BOTH": {"type": "group", "tasks": ["B", "C"]}}


async def test_chain_runs_in_order_and_passes_each_result_on(ledger: Ledger) -> None:
    await ledger.register("A", "B", "C")
    executor = ScriptedExecutor()
    async with working(ledger, executor):
        run_id = await ledger.start(file="orders.csv")
        state = await ledger.ended(run_id)
    assert state.status == "succeeded"
    assert [work.task.path for work in executor.executed] == ["A", "B", "C"]
    assert executor.arguments() == {"A": (None,), "B": ("A's",), "C": ("B's",)}
    assert {work.run_id for work in executor.executed} == {run_id}
    assert all(work.payload == {"file": "orders.csv"} for work in executor.executed)


async def test_start_and_end_of_a_task_are_reported_once(ledger: Ledger) -> None:
    await ledger.register("A")
    async with working(ledger, ScriptedExecutor()) as worker:
        run_id = await ledger.start()
        await ledger.ended(run_id)
    events = await ledger.events(run_id)
    assert story(events) == [
        "RunQueued",
        "RunClaimed",
        "RunStarted",
        "TaskStarted A",
        "TaskOutputRecorded A",
        "TaskSucceeded A",
        "RunSucceeded",
    ]
    assert events[4].data == {
        "task": "A",
        "attempt": 1,
        "result": "A's",
        "metrics": {},
        "warnings": [],
    }
    assert {e.actor for e in events[1:]} == {f"worker:{worker.name}"}


async def test_siblings_run_in_parallel_and_the_next_step_gets_results_in_order(
    ledger: Ledger,
) -> None:
    await ledger.register("A", GROUP, "D")
    first, second = Gate(), Gate()
    executor = ScriptedExecutor(B=first, C=second)
    async with working(ledger, executor):
        run_id = await ledger.start()
        await first.until_entered()
        await second.until_entered()
        second.open()
        await ledger.until(run_id, lambda e: of_type(e, types.TASK_SUCCEEDED, task="BOTH/C"))
        first.open()
        await ledger.ended(run_id)
    assert executor.arguments() == {
        "A": (None,),
        "BOTH/B": ("A's",),
        "BOTH/C": ("A's",),
        "D": (["B's", "C's"],),
    }


@pytest.mark.parametrize("kind", ["group", "chain"])
async def test_result_of_a_single_task_is_passed_on_without_a_list(
    ledger: Ledger, kind: str
) -> None:
    alone = {"ALONE": {"type": kind, "tasks": ["B"]}}
    await ledger.register("A", alone, "C")
    executor = ScriptedExecutor()
    async with working(ledger, executor):
        await ledger.ended(await ledger.start())
    assert executor.arguments()["C"] == ("B's",)


async def test_chain_within_a_group_passes_results_on(ledger: Ledger) -> None:
    chain = {"CHAIN": {"type": "chain", "tasks": ["B", "C"]}}
    await ledger.register({"G": {"type": "group", "tasks": ["A", chain]}}, "D")
    executor = ScriptedExecutor()
    async with working(ledger, executor):
        await ledger.ended(await ledger.start())
    assert executor.arguments()["G/CHAIN/C"] == ("B's",)
    assert executor.arguments()["D"] == (["A's", "C's"],)


async def test_reused_task_is_not_run_and_its_result_is_passed_on(ledger: Ledger) -> None:
    await ledger.register("A", GROUP, "D", failure="KO")
    executor = ScriptedExecutor(C=fail, D=fail)
    async with working(ledger, executor):
        first = await ledger.start()
        await ledger.ended(first)
        executor.scripts.pop("C")
        second = await ledger.retry(first)
        await ledger.ended(second)
        executor.scripts.pop("D")
        third = await ledger.retry(second)
        state = await ledger.ended(third)
    executed = [(work.run_id, work.task.path) for work in executor.executed]
    assert sorted(executed[:4]) == sorted(
        (first, path) for path in ("A", "BOTH/B", "BOTH/C", "@failure/KO")
    )
    assert executed[4:] == [
        (second, "BOTH/C"),
        (second, "D"),
        (second, "@failure/KO"),
        (third, "D"),
    ]
    assert executor.executed[4].arguments == ("A's",)
    assert executor.executed[-1].arguments == (["B's", "C's"],)
    assert state.status == "succeeded"
    assert state.reused_tasks == {"A": first, "BOTH/B": first, "BOTH/C": second}


async def test_success_hook_runs_before_the_runs_end_and_gets_none(ledger: Ledger) -> None:
    await ledger.register("A", success="OK", failure="KO")
    executor = ScriptedExecutor()
    async with working(ledger, executor):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "succeeded"
    assert executor.arguments() == {"A": (None,), "@success/OK": (None,)}
    events = story(await ledger.events(run_id))
    assert events.index("TaskSucceeded @success/OK") < events.index("RunSucceeded")
    assert "TaskSkipped @failure/KO" in events


async def test_failure_hook_runs_after_a_failure_without_arguments(ledger: Ledger) -> None:
    await ledger.register("A", "B", success="OK", failure="KO")
    executor = ScriptedExecutor(A=fail)
    async with working(ledger, executor):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "failed"
    assert executor.arguments() == {"A": (None,), "@failure/KO": ()}
    events = story(await ledger.events(run_id))
    assert {"TaskSkipped B", "TaskSkipped @success/OK"} < set(events)
    assert events.index("TaskSucceeded @failure/KO") < events.index("RunFailed")


async def test_sibling_of_a_failed_task_finishes(ledger: Ledger) -> None:
    await ledger.register(GROUP)
    gate = Gate()
    async with working(ledger, ScriptedExecutor(B=fail, C=gate)):
        run_id = await ledger.start()
        await ledger.until(run_id, lambda e: of_type(e, types.TASK_FAILED))
        gate.open()
        state = await ledger.ended(run_id)
    assert state.status == "failed"
    assert state.tasks["BOTH/C"].status == "succeeded"


async def test_warnings_and_metrics_are_recorded_and_the_run_is_warned(ledger: Ledger) -> None:
    await ledger.register("A")
    result = Result(value=1, warnings=("mind the gap",), metrics={"rows": 7}, log="hello\n")
    async with working(ledger, ScriptedExecutor(A=lambda *_: result)):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "warned"
    (output,) = of_type(await ledger.events(run_id), types.TASK_OUTPUT_RECORDED)
    assert output.data == {
        "task": "A",
        "attempt": 1,
        "result": 1,
        "warnings": ["mind the gap"],
        "metrics": {"rows": 7},
        "log": "hello\n",
    }


async def test_failed_task_is_retried_as_often_as_configured(ledger: Ledger) -> None:
    await ledger.register({"A": {"retries": 2}})
    executor = ScriptedExecutor(A=failing(2))
    async with working(ledger, executor):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "succeeded"
    assert [work.attempt for work in executor.executed] == [1, 2, 3]
    failures = of_type(await ledger.events(run_id), types.TASK_FAILED)
    assert [failure.data["will_retry"] for failure in failures] == [True, True]


async def test_last_failure_is_final(ledger: Ledger) -> None:
    await ledger.register({"A": {"retries": 1}})
    async with working(ledger, ScriptedExecutor(A=fail)):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "failed"
    failures = of_type(await ledger.events(run_id), types.TASK_FAILED)
    assert [failure.data["will_retry"] for failure in failures] == [True, False]
    assert failures[-1].data["exception"] == "no luck"


async def test_concurrent_tasks_never_exceed_the_slots(ledger: Ledger) -> None:
    await ledger.register({"G": {"type": "group", "tasks": [f"T{n}" for n in range(5)]}})
    gate = Gate()
    executor = ScriptedExecutor(**{f"T{n}": gate for n in range(5)})
    async with working(ledger, executor, slots=2):
        run_id = await ledger.start()
        await gate.until_entered(2)
        gate.open()
        assert (await ledger.ended(run_id)).status == "succeeded"
    assert executor.peak_tasks == 2


async def test_cancelled_run_requests_its_tasks_to_stop_and_reports_it(
    ledger: Ledger,
) -> None:
    await ledger.register(GROUP, "D", failure="KO")
    first, second = Gate(), Gate()
    async with working(ledger, ScriptedExecutor(B=first, C=second)):
        run_id = await ledger.start()
        await first.until_entered()
        await second.until_entered()
        await ledger.cancel(run_id)
        state = await ledger.ended(run_id)
    assert (state.status, state.epoch) == ("cancelled", 1)
    assert {task.status for task in state.tasks.values()} == {"cancelled"}


async def test_requested_stop_is_not_forced_by_other_events(
    ledger: Ledger,
) -> None:
    other = await ledger.register("A", executor="external")
    await ledger.register("A")
    gate = Gate(cooperative=False)
    async with working(ledger, ScriptedExecutor(A=gate)):
        run_id = await ledger.start()
        await gate.until_entered()
        await ledger.cancel(run_id)
        await gate.stops[0].requested
        for _ in range(5):
            await ledger.cancel(run_id)
            await ledger.start(other)
        assert not gate.stops[0].forced.done()
        gate.open()
        state = await ledger.ended(run_id)
    assert (state.status, state.tasks["A"].status) == ("cancelled", "succeeded")


async def test_forced_cancel_kills_a_task_that_ignores_the_request(ledger: Ledger) -> None:
    await ledger.register("A")
    gate = Gate(cooperative=False)
    executor = ScriptedExecutor(A=gate)
    async with working(ledger, executor) as worker:
        run_id = await ledger.start()
        await gate.until_entered()
        await ledger.cancel(run_id)
        await gate.stops[0].requested
        await ledger.cancel(run_id, force=True)
        assert (await ledger.ended(run_id)).status == "cancelled"
        await gate.stops[0].forced
        await worker.close()
    assert executor.running_tasks == 0
    assert story(await ledger.events(run_id))[-1] == "RunCancelled"


async def test_run_is_cancelled_while_its_task_waits_for_a_slot(ledger: Ledger) -> None:
    await ledger.register(GROUP)
    gate = Gate()
    executor = ScriptedExecutor(B=gate, C=gate)
    async with working(ledger, executor, slots=1) as worker:
        run_id = await ledger.start()
        await gate.until_entered()
        await ledger.cancel(run_id)
        state = await ledger.ended(run_id)
        await worker.idle()
    assert state.status == "cancelled"
    assert len(executor.executed) == 1
    assert not of_type(await ledger.events(run_id), types.REPORT_REFUSED)


async def test_run_is_cancelled_while_its_task_waits_for_the_next_attempt(
    ledger: Ledger,
) -> None:
    await ledger.register({"A": {"retries": 1}})
    executor = ScriptedExecutor(A=fail)
    async with working(ledger, executor, backoff_s=1000) as worker:
        run_id = await ledger.start()
        await ledger.until(run_id, lambda e: of_type(e, types.TASK_FAILED))
        await ledger.cancel(run_id)
        state = await ledger.ended(run_id)
        await worker.idle()
    assert (state.status, len(executor.executed)) == ("cancelled", 1)


async def test_driver_waits_for_its_last_report_to_come_back(
    ledger: Ledger,
) -> None:
    await ledger.register("A", "B")
    run_id = await ledger.start()
    await ledger.submit(ClaimRun(TENANT, ORIGIN, run_id, "w1", 1))
    executor = ScriptedExecutor()
    driver = Driver(Claim(TENANT, run_id, "w1", 1), deps(ledger, executor, slots=1, backoff_s=0))
    driving = asyncio.create_task(driver.run())
    events = await ledger.until(run_id, lambda e: of_type(e, types.TASK_SUCCEEDED))
    for offered in (events[:2], events[2:4], events[4:5]):
        driver.deliver(offered)
        for _ in range(10):
            await asyncio.sleep(0)
        assert executor.arguments() == {"A": (None,)}
    driver.deliver(events)
    driver.deliver(await ledger.until(run_id, lambda e: of_type(e, types.RUN_SUCCEEDED)))
    await driving
    assert executor.arguments() == {"A": (None,), "B": ("A's",)}


async def test_cancel_concurrent_with_a_task_start_leaves_no_task_running(
    ledger: Ledger,
) -> None:
    await ledger.register("A", "B", "C")
    async with working(ledger, ScriptedExecutor()):
        for patience in range(30):
            run_id = await ledger.start()
            # Another number of turns each time, so that the cancel comes between any two steps.
            for _ in range(3 * patience):
                await asyncio.sleep(0)
            with contextlib.suppress(RunEnded):
                await ledger.cancel(run_id)
            assert (await ledger.ended(run_id)).status in {"cancelled", "succeeded"}


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x" * MAX_BODY_BYTES, "65573 bytes are more than the 61440 allowed"),
        (nested(230), "nested deeper than 200"),
        (nested(300), "not storable as JSON: Recursion limit reached"),
        (float("inf"), "not storable as JSON: inf is no JSON number"),
        ("a\0b", "not storable as JSON: NUL in a text"),
        (2**64, "not storable as JSON: Integer exceeds 64-bit range"),
        (object(), "not storable as JSON: Type is not JSON serializable: object"),
    ],
)
async def test_unstorable_result_fails_its_task_with_the_reason(
    ledger: Ledger, value: object, reason: str
) -> None:
    await ledger.register("A", "B")
    executor = ScriptedExecutor(A=lambda *_: Result(value=value, log="said\n"))
    async with working(ledger, executor):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "failed"
    events = await ledger.events(run_id)
    (failure,) = of_type(events, types.TASK_FAILED)
    assert failure.data["exception"] == f"the ledger cannot keep the task's result: {reason}"
    (output,) = of_type(events, types.TASK_OUTPUT_RECORDED)
    assert (output.data["result"], output.data["log"]) == (None, "said\n")
    assert len(executor.executed) == 1


async def test_result_at_the_depth_limit_can_be_read(ledger: Ledger) -> None:
    await ledger.register("A")
    value = nested(198)
    async with working(ledger, ScriptedExecutor(A=lambda *_: Result(value=value))):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "succeeded"
    await ledger.service.positions.wait_until_visible(ledger.service.log_io.feed.head)
    run = await ledger.service.queries.workflow(TENANT, run_id)
    assert run["tasks"][0]["result"] == value


@pytest.mark.parametrize(
    "result",
    [
        Result(log="\0binary\udcff\n" * 10_000),
        Result(warnings=tuple(f"{n}" + "\u20ac" * 990 for n in range(101))),
        Result(warnings=("\0\udcff",)),
        Result(value="x" * 60_000, log="y" * 60_000, warnings=("z" * 60_000,)),
        Result(metrics={f"{n}" + "m" * 900: "v" * 1000 for n in range(100)}),
        Result(
            failure=Failure("\0\udcff" * 50_000, "error", "\0\udcff" * 99_000, "\0" * 99_000, 4)
        ),
    ],
)
async def test_run_ends_whatever_its_task_returns(ledger: Ledger, result: Result) -> None:
    await ledger.register("A")
    async with working(ledger, ScriptedExecutor(A=lambda *_: result)):
        run_id = await ledger.start()
        await ledger.ended(run_id)
    events = await ledger.events(run_id)
    assert not of_type(events, types.REPORT_REFUSED)
    assert of_type(events, types.TASK_OUTPUT_RECORDED)


async def test_refused_end_of_a_task_fails_the_run(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sanitize, "MAX_EXCEPTION", 10 * MAX_BODY_BYTES)
    await ledger.register("A")
    executor = ScriptedExecutor(A=lambda *_: Result(failure=Failure("x" * MAX_BODY_BYTES)))
    async with working(ledger, executor):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "failed"
    (end,) = of_type(await ledger.events(run_id), types.RUN_FAILED)
    assert "the ledger did not take the end of task A" in end.data["exception"]
    assert len(executor.executed) == 3


async def test_warnings_that_do_not_fit_are_counted(ledger: Ledger) -> None:
    await ledger.register("A")
    warnings = tuple(f"{number:03}" + "x" * 1000 for number in range(100))
    async with working(ledger, ScriptedExecutor(A=lambda *_: Result(warnings=warnings))):
        run_id = await ledger.start()
        assert (await ledger.ended(run_id)).status == "warned"
    (output,) = of_type(await ledger.events(run_id), types.TASK_OUTPUT_RECORDED)
    *sanitize, last = output.data["warnings"]
    assert tuple(sanitize) == warnings[: len(sanitize)]
    assert last == f"and {100 - len(sanitize)} more warnings"


async def test_run_beyond_its_flows_timeout_ends_and_its_task_is_stopped(
    ledger: Ledger,
) -> None:
    await ledger.register("A", "B", timeout_s=0.2)
    gate = Gate(cooperative=False)
    async with working(ledger, ScriptedExecutor(A=gate)):
        run_id = await ledger.start()
        state = await ledger.ended(run_id)
        await gate.stops[0].forced
    assert (state.status, state.reason) == ("failed", "timeout")
    assert {path: task.status for path, task in state.tasks.items()} == {
        "A": "failed",
        "B": "skipped",
    }


async def test_report_after_the_runs_end_is_refused_and_recorded(ledger: Ledger) -> None:
    await ledger.register("A")

    async def finish_anyway(_work: Work, stop: StopSignal) -> Result:
        await stop.forced
        return Result(value="done")

    async with working(ledger, ScriptedExecutor(A=finish_anyway)):
        run_id = await ledger.start()
        await ledger.until(run_id, lambda e: of_type(e, types.TASK_STARTED))
        await ledger.cancel(run_id, force=True)
        events = await ledger.until(run_id, lambda e: len(of_type(e, types.REPORT_REFUSED)) == 2)
    assert ledger.state(events).status == "cancelled"
    assert [e.data["reason"] for e in of_type(events, types.REPORT_REFUSED)] == [
        "the run has ended: it is cancelled",
        "the run has ended: it is cancelled",
    ]
