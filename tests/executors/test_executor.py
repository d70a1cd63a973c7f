"""The suite of every executor."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from projections.flow import PlanTask
from service.executors.executor import Executor, Failure, Result, Work

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


async def until_exists(path: Path) -> None:
    async with asyncio.timeout(20):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process writes it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("key", ["ECHO", "ECHO_ASYNC"])
async def test_a_task_gets_the_previous_result_the_payload_and_the_run(
    executor: Executor, key: str
) -> None:
    result = await executor.execute(work(key, [1, 2], payload={"who": "you"}))
    assert result.failure is None
    assert result.value == {
        "previous": [1, 2],
        "payload": {"who": "you"},
        "workflow_id": RUN,
    }


async def test_what_a_task_prints_is_kept_with_its_result(executor: Executor) -> None:
    result = await executor.execute(work("ECHO", None, payload={"who": "world"}))
    assert result.log == "hello world\n"


async def test_the_log_of_one_task_does_not_leak_into_the_next(executor: Executor) -> None:
    await executor.execute(work("ECHO", None, payload={"who": "one"}))
    assert (await executor.execute(work("ADD", [1]))).log is None


async def test_warnings_and_metrics_come_back(executor: Executor) -> None:
    result = await executor.execute(work("WARN", None))
    assert result == Result(value=None, warnings=("mind the gap",), metrics={"rows": 7})


async def test_a_failing_statement_comes_back_with_its_line(executor: Executor) -> None:
    result = await executor.execute(work("STATEMENT", None))
    failure = result.failure
    assert failure is not None
    assert (failure.exception, failure.reason) == ("no such table", "error")
    assert (failure.statement, failure.line) == ("select 1 from nowhere", 4)
    assert "StatementError" in (failure.traceback or "")


@pytest.mark.parametrize("key", ["NAN", "OBJECT"])
async def test_a_result_that_json_cannot_hold_is_a_failure(executor: Executor, key: str) -> None:
    result = await executor.execute(work(key, None))
    assert result.failure is not None
    assert (await executor.execute(work("ADD", [1, 2]))).value == 3


async def test_a_task_that_kills_its_process_fails_and_says_how(executor: Executor) -> None:
    result = await executor.execute(work("DIE", None))
    assert result.failure == Failure("the task's process was ended by SIGKILL")
    assert (await executor.execute(work("ADD", [1, 2]))).value == 3


async def test_only_the_end_of_a_loud_task_is_kept(executor: Executor) -> None:
    log = (await executor.execute(work("LOUD", None))).log or ""
    assert log.endswith("line 19999\n")
    assert len(log) <= 32 * 1024


async def test_an_unknown_task_fails_and_is_named(executor: Executor) -> None:
    result = await executor.execute(work("NOWHERE", None))
    assert result.failure == Failure("this worker has no task NOWHERE")


@pytest.mark.parametrize("key", ["SLEEP", "STUBBORN", "SLEEP_ASYNC"])
async def test_a_task_that_takes_too_long_fails_by_timeout(
    executor: Executor, tmp_path: Path, key: str
) -> None:
    slow = work(key, None, payload={"began": str(tmp_path / "began")}, timeout_s=1.5)
    result = await executor.execute(slow)
    assert result.failure == Failure("the task ran longer than 1.5 s", reason="timeout")
    assert (tmp_path / "began").exists()


@pytest.mark.parametrize("key", ["SLEEP", "STUBBORN", "SLEEP_ASYNC"])
async def test_a_cancelled_task_stops(executor: Executor, tmp_path: Path, key: str) -> None:
    began = tmp_path / "began"
    running = asyncio.create_task(executor.execute(work(key, None, payload={"began": str(began)})))
    await until_exists(began)
    running.cancel()
    assert (await running).cancelled


async def test_a_command_keeps_what_it_prints(executor: Executor) -> None:
    shell = ["sh", "-c", "echo $WORD; echo oops >&2; pwd"]
    result = await executor.execute(
        work("CMD", None, command=shell, environment={"WORD": "hi"}, directory="/")
    )
    assert result == Result(value=0, log="hi\noops\n/\n")


async def test_a_command_that_fails_says_its_status(executor: Executor) -> None:
    result = await executor.execute(work("CMD", None, command=["sh", "-c", "exit 3"]))
    assert result.failure == Failure("the command ended with exit status 3")


async def test_a_command_that_is_not_there_fails(executor: Executor) -> None:
    result = await executor.execute(work("CMD", None, command=["/no/such/program"]))
    assert result.failure is not None
    assert "/no/such/program" in result.failure.exception


async def test_a_timed_out_command_leaves_no_process(executor: Executor, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    shell = ["sh", "-c", f"echo $$ > {pid}; sleep 60"]
    result = await executor.execute(work("CMD", None, command=shell, timeout_s=1.5))
    assert result.failure is not None
    assert result.failure.reason == "timeout"
    await until_gone(int(pid.read_text()))


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while alive(pid):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
