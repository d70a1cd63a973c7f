"""The suite of every executor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from projections.documents.flow import PlanTask
from service.executors.executor import Executor, Failure, Result, StopSignal, Work
from service.executors.in_process import InProcess
from tests.executors.processes import until_exists, until_gone

RUN = "5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"


def work(
    key: str,
    *arguments: Any,
    payload: dict[str, Any] | None = None,
    timeout_s: float | None = None,
    command: list[str] | None = None,
    **options: Any,
) -> Work:
    kind = "command" if command else "python"
    options = {"command": command, **options} if command else options
    step = PlanTask(path=key, key=key, type=kind, timeout_s=timeout_s, options=options)
    return Work(run_id=RUN, task=step, attempt=1, arguments=arguments, payload=payload or {})


@pytest.mark.parametrize("key", ["ECHO", "ECHO_ASYNC"])
async def test_task_gets_the_previous_result_the_payload_and_the_run(
    executor: Executor, key: str
) -> None:
    result = await executor.execute(work(key, [1, 2], payload={"who": "you"}))
    assert result.failure is None
    assert result.value == {
        "previous": [1, 2],
        "payload": {"who": "you"},
        "workflow_id": RUN,
    }


async def test_changes_of_arguments_by_a_task_stay_inside_it(executor: Executor) -> None:
    previous: list[str] = []
    payload: dict[str, Any] = {"who": []}
    result = await executor.execute(work("GREEDY", previous, payload=payload))
    assert result == Result(value=None)
    assert (previous, payload) == ([], {"who": []})


async def test_output_of_a_task_is_in_its_result(executor: Executor) -> None:
    result = await executor.execute(work("ECHO", None, payload={"who": "world"}))
    assert result.log == "hello world\n"


async def test_log_of_one_task_does_not_leak_into_the_next(executor: Executor) -> None:
    await executor.execute(work("ECHO", None, payload={"who": "one"}))
    assert (await executor.execute(work("ADD", [1]))).log is None


async def test_warnings_and_metrics_are_in_the_result(executor: Executor) -> None:
    result = await executor.execute(work("WARN", None))
    assert result == Result(value=None, warnings=("mind the gap",), metrics={"rows": 7})


async def test_failed_statement_is_in_the_failure_with_its_line(executor: Executor) -> None:
    result = await executor.execute(work("STATEMENT", None))
    failure = result.failure
    assert failure is not None
    assert (failure.exception, failure.reason) == ("no such table", "error")
    assert (failure.statement, failure.line) == ("select 1 from nowhere", 4)
    assert "StatementError" in (failure.traceback or "")


async def test_statement_and_line_of_wrong_types_are_tolerated(executor: Executor) -> None:
    failure = (await executor.execute(work("NO_LINE", None))).failure
    assert failure is not None
    assert (failure.exception, failure.statement, failure.line) == ("oops", "b'select 1'", None)


@pytest.mark.parametrize("key", ["ODD", "ODD_ASYNC"])
async def test_unstorable_exception_text_is_sanitized_and_cut(executor: Executor, key: str) -> None:
    failure = (await executor.execute(work(key, None))).failure
    assert failure is not None
    assert failure.exception == "a\ufffdb?c" + 1995 * "x"
    assert "ValueError" in (failure.traceback or "")


async def test_exception_whose_str_fails_is_named_by_its_class(executor: Executor) -> None:
    failure = (await executor.execute(work("MUTE", None))).failure
    assert failure is not None
    assert failure.exception == "Mute"


@pytest.mark.parametrize("key", ["EXIT", "EXIT_ASYNC"])
async def test_task_that_exits_fails_without_its_process(executor: Executor, key: str) -> None:
    failure = (await executor.execute(work(key, None))).failure
    assert failure is not None
    assert failure.exception == "3"
    assert "SystemExit" in (failure.traceback or "")


async def test_base_exception_of_a_coroutine_is_its_failure(executor: Executor) -> None:
    failure = (await executor.execute(work("RUDE_ASYNC", None))).failure
    assert failure is not None
    assert failure.exception == "out of my way"


@pytest.mark.parametrize("key", ["CANCELS_ITSELF", "CANCELS_ITS_OWN_TASK"])
async def test_task_that_cancels_itself_fails(executor: Executor, key: str) -> None:
    failure = (await executor.execute(work(key, None))).failure
    assert failure is not None
    assert (failure.exception, failure.reason) == ("CancelledError", "error")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("NAN", "not storable as JSON: nan is no JSON number"),
        ("OBJECT", "not storable as JSON: Type is not JSON serializable: object"),
        ("DEEP", "nested deeper than 200"),
        ("HUGE", "3000039 bytes are more than the 1048576 allowed"),
    ],
)
async def test_unstorable_result_is_a_failure(executor: Executor, key: str, reason: str) -> None:
    result = await executor.execute(work(key, None))
    message = f"the ledger cannot keep the task's result: {reason}"
    assert result == Result(failure=Failure(message))
    assert (await executor.execute(work("ADD", [1, 2]))).value == 3


async def test_task_that_kills_its_process_fails_with_the_signal(executor: Executor) -> None:
    result = await executor.execute(work("DIE", None))
    failure = Failure("the task's process ended by SIGKILL")
    assert result == Result(failure=failure, log="last words\n")
    assert (await executor.execute(work("ADD", [1, 2]))).value == 3


async def test_task_that_dies_with_a_forked_process_alive_fails(executor: Executor) -> None:
    result = await executor.execute(work("FORK_AND_DIE", None))
    assert result.failure == Failure("the task's process ended with exit status 7")


async def test_task_terminated_from_outside_fails(executor: Executor) -> None:
    result = await executor.execute(work("TERMINATED", None))
    assert result == Result(failure=Failure("the task's process was ended from outside"))


async def test_only_the_end_of_long_output_is_kept(executor: Executor) -> None:
    log = (await executor.execute(work("LOUD", None))).log or ""
    assert log.endswith("line 19999\n")
    assert len(log) == 32 * 1024


async def test_unknown_task_fails_and_is_named(executor: Executor) -> None:
    result = await executor.execute(work("NOWHERE", None))
    assert result.failure == Failure("this worker has no task NOWHERE")


@pytest.mark.parametrize("key", ["SLEEP", "STUBBORN", "SLEEP_ASYNC", "POLITE", "POLITE_ASYNC"])
async def test_task_beyond_its_timeout_fails(executor: Executor, tmp_path: Path, key: str) -> None:
    slow = work(key, None, payload={"began": str(tmp_path / "began")}, timeout_s=0.2)
    result = await executor.execute(slow)
    assert result.failure == Failure("the task ran longer than 0.2 s", reason="timeout")
    assert (tmp_path / "began").exists()


async def start(
    executor: Executor, key: str, began: Path
) -> tuple[asyncio.Task[Result], StopSignal]:
    stop = StopSignal()
    running = asyncio.create_task(
        executor.execute(work(key, None, payload={"began": str(began)}), stop)
    )
    await until_exists(began)
    return running, stop


@pytest.mark.parametrize("key", ["SLEEP", "STUBBORN", "SLEEP_ASYNC"])
async def test_requested_stop_stops_the_task(executor: Executor, tmp_path: Path, key: str) -> None:
    running, stop = await start(executor, key, tmp_path / "began")
    stop.request()
    assert await running == Result(cancelled=True)


@pytest.mark.parametrize("key", ["POLITE", "POLITE_ASYNC"])
async def test_task_that_returns_after_a_stop_request_keeps_its_result(
    executor: Executor, tmp_path: Path, key: str
) -> None:
    running, stop = await start(executor, key, tmp_path / "began")
    stop.request()
    assert await running == Result(value="tidied up")


@pytest.mark.parametrize("key", ["SLEEP", "STUBBORN", "SLEEP_ASYNC"])
async def test_forced_stop_skips_the_grace_period(flows: Path, tmp_path: Path, key: str) -> None:
    executor = InProcess(flows, slots=1, grace_s=1000)
    running, stop = await start(executor, key, tmp_path / "began")
    stop.request()
    stop.force()
    assert await running == Result(cancelled=True)
    await executor.close()


async def test_coroutine_that_ignores_cancellation_is_abandoned(
    executor: Executor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running, stop = await start(executor, "STUBBORN_ASYNC", tmp_path / "began")
    stop.force()
    assert await running == Result(cancelled=True)
    assert "does not stop when it is cancelled" in caplog.text
    (tmp_path / "began.end").touch()
    (left,) = asyncio.all_tasks() - {asyncio.current_task()}
    await left


@pytest.mark.parametrize("key", ["SLEEP", "SLEEP_ASYNC"])
async def test_task_stopped_before_its_start_does_not_start(
    executor: Executor, tmp_path: Path, key: str
) -> None:
    stop = StopSignal()
    stop.request()
    slow = work(key, None, payload={"began": str(tmp_path / "began")})
    assert await executor.execute(slow, stop) == Result(cancelled=True)
    assert not (tmp_path / "began").exists()


async def test_task_stopped_while_its_child_starts_does_not_start(
    executor: Executor, tmp_path: Path
) -> None:
    stop = StopSignal()
    slow = work("SLEEP", None, payload={"began": str(tmp_path / "began")})
    running = asyncio.create_task(executor.execute(slow, stop))
    await asyncio.sleep(0)
    stop.request()
    assert await running == Result(cancelled=True)
    assert not (tmp_path / "began").exists()


async def test_output_of_a_command_is_in_its_result(executor: Executor) -> None:
    shell = ["sh", "-c", "echo $WORD; echo oops >&2; pwd"]
    result = await executor.execute(
        work("CMD", None, command=shell, environment={"WORD": "hi"}, directory="/")
    )
    assert result == Result(value=0, log="hi\noops\n/\n")


async def test_command_runs_in_the_folder_of_its_flows(executor: Executor, flows: Path) -> None:
    result = await executor.execute(work("CMD", None, command=["pwd"], directory="tasks"))
    assert result.log == f"{flows / 'tasks'}\n"


async def test_command_does_not_see_the_ledgers_secrets(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWLEDGER_SECRET_KEY", "s3cret")
    monkeypatch.setenv("FLOWLEDGER_DATABASE_URL", "postgresql://me:s3cret@here/db")
    monkeypatch.setenv("TARGET", "warehouse")
    result = await executor.execute(work("CMD", None, command=["env"]))
    assert "s3cret" not in (result.log or "")
    assert "TARGET=warehouse" in (result.log or "")


@pytest.mark.parametrize(
    ("script", "ending"), [("exit 3", "with exit status 3"), ("kill -9 $$", "by SIGKILL")]
)
async def test_failed_command_reports_exit(executor: Executor, script: str, ending: str) -> None:
    result = await executor.execute(work("CMD", None, command=["sh", "-c", script]))
    assert result.failure == Failure(f"the command ended {ending}")


async def test_missing_command_fails(executor: Executor) -> None:
    result = await executor.execute(work("CMD", None, command=["/no/such/program"]))
    assert result.failure is not None
    assert "/no/such/program" in result.failure.exception


async def test_timed_out_command_leaves_no_process(executor: Executor, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    shell = ["sh", "-c", f"echo $$ > {pid}; sleep 60"]
    result = await executor.execute(work("CMD", None, command=shell, timeout_s=0.5))
    assert result.failure is not None
    assert result.failure.reason == "timeout"
    await until_gone(int(pid.read_text()))


async def test_command_can_clean_up_after_a_stop_request(
    executor: Executor, tmp_path: Path
) -> None:
    began, stop = tmp_path / "began", StopSignal()
    shell = ["sh", "-c", f"trap 'echo tidied; exit 0' TERM; touch {began}; sleep 60 & wait"]
    running = asyncio.create_task(executor.execute(work("CMD", None, command=shell), stop))
    await until_exists(began)
    stop.request()
    assert await running == Result(cancelled=True, log="tidied\n")


async def test_command_that_ignores_a_stop_is_killed(executor: Executor, tmp_path: Path) -> None:
    pid, began, stop = tmp_path / "pid", tmp_path / "began", StopSignal()
    shell = ["sh", "-c", f"trap '' TERM; echo $$ > {pid}; touch {began}; sleep 60"]
    running = asyncio.create_task(executor.execute(work("CMD", None, command=shell), stop))
    await until_exists(began)
    stop.request()
    assert await running == Result(cancelled=True)
    await until_gone(int(pid.read_text()))
