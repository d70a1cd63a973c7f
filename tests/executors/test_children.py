"""Child processes are reused, replaced, bounded, and end with their worker."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from service.executors.children import LOG_TAIL_BYTES
from service.executors.executor import Failure, StopSignal
from service.executors.in_process import InProcess
from tests.executors.processes import children, open_files, until_exists, until_gone
from tests.executors.test_executor import work
from tests.waiting import until

EVERY_LOOP = True
PARENT = """
import asyncio, sys
from pathlib import Path
from service.executors.in_process import InProcess
from tests.executors.test_executor import work

async def main(flows, *command):
    await InProcess(Path(flows), slots=1).execute(work("CMD", None, command=list(command)))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_idle_child_is_reused(executor: InProcess) -> None:
    first = (await executor.execute(work("PID", None))).value
    assert (await executor.execute(work("PID", None))).value == first
    assert children() >= {first}


async def test_concurrent_tasks_get_a_child_each_and_as_many_stay_as_slots(
    executor: InProcess,
) -> None:
    before = children()
    results = await asyncio.gather(*(executor.execute(work("PID", None)) for _ in range(3)))
    pids = {result.value for result in results}
    assert len(pids) == 3
    await until(lambda: len(children() - before) == 2)
    assert children() - before < pids


@pytest.mark.parametrize(
    "how",
    [
        "sys.stdout.close()",
        "sys.stderr.close()",
        "os.close(1)",
        "sys.stdout = None",
        "sys.stderr = 1",
    ],
)
async def test_task_that_closes_its_output_keeps_its_result(executor: InProcess, how: str) -> None:
    closed = await executor.execute(work("CLOSE", None, payload={"how": how}))
    assert closed.failure is None
    result = await executor.execute(work("ECHO", None, payload={"who": "next"}))
    assert result.failure is None
    assert result.log == "hello next\n"
    assert (await executor.execute(work("PID", None))).value != closed.value


async def test_child_that_died_while_idle_is_replaced(
    executor: InProcess,
) -> None:
    first = (await executor.execute(work("PID", None))).value
    os.kill(first, signal.SIGKILL)  # the loop has no chance to notice before the next task
    second = await executor.execute(work("PID", None))
    assert second.failure is None
    assert second.value != first


async def test_process_that_reuses_a_dead_childs_id_is_not_killed(
    executor: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = (await executor.execute(work("PID", None))).value
    (child,) = executor._pool._idle
    os.kill(pid, signal.SIGKILL)
    await child._exit_status
    killed: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _signal: killed.append(group))
    assert (await executor.execute(work("ADD", [1]))).value == 1
    monkeypatch.undo()
    assert pid not in killed


async def test_folder_whose_tasks_fail_to_load_fails_the_task_with_the_reason(
    executor: InProcess, flows: Path
) -> None:
    (flows / "tasks" / "broken.py").write_text("import no_such_module\n")
    result = await executor.execute(work("ADD", [1]))
    assert result.failure == Failure("the task's process ended with exit status 1")
    assert "no_such_module" in (result.log or "")


async def stopped(executor: InProcess) -> None:
    stop = StopSignal()
    hanging = work("CMD", None, command=["sh", "-c", "echo begun; sleep 60"])
    running = asyncio.create_task(executor.execute(hanging, stop))
    await until(lambda: any(child._tail == b"begun\n" for child in executor._pool._busy))
    stop.force()
    assert (await running).cancelled


async def test_two_hundred_tasks_leak_no_file_and_no_process(executor: InProcess) -> None:
    # The first of each kind makes what is kept: a warm child, the loop's own watchers.
    await executor.execute(work("ADD", [1]))
    await stopped(executor)
    await executor.execute(work("ADD", [1]))
    before, files = children(), open_files()
    for _ in range(190):
        await executor.execute(work("ADD", [1, 2]))
    for _ in range(5):
        await executor.execute(work("DIE", None))
        await stopped(executor)
    await executor.execute(work("ADD", [1]))
    # The files of a child are closed a moment after it is gone.
    await until(lambda: len(children()) == len(before) and open_files() == files)


async def test_command_with_endless_output_does_not_block_the_loop(
    executor: InProcess,
) -> None:
    stop = StopSignal()
    running = asyncio.create_task(executor.execute(work("CMD", None, command=["yes"]), stop))
    await until(lambda: any(len(child._tail) == LOG_TAIL_BYTES for child in executor._pool._busy))
    assert (await executor.execute(work("ECHO_ASYNC", None))).failure is None
    stop.force()
    result = await running
    assert result.cancelled
    assert result.log is not None
    assert len(result.log) == LOG_TAIL_BYTES


async def test_dead_idle_child_does_not_keep_the_loop_busy(executor: InProcess) -> None:
    pid = (await executor.execute(work("PID", None))).value
    (child,) = executor._pool._idle
    os.kill(pid, signal.SIGKILL)
    await child._exit_status
    await asyncio.sleep(0)
    # A pipe at its end is always readable: nobody may listen to it any more.
    assert not asyncio.get_running_loop().remove_reader(child._output)


async def test_child_and_its_command_end_when_the_worker_is_killed(
    flows: Path, tmp_path: Path
) -> None:
    pid, began = tmp_path / "pid", tmp_path / "began"
    shell = f"trap '' TERM HUP; echo $$ $PPID > {pid}; touch {began}; sleep 60"
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(flows), "sh", "-c", shell
    )
    await until_exists(began)
    worker.kill()
    await worker.wait()
    for each in pid.read_text().split():
        await until_gone(int(each))


async def test_task_fails_when_no_process_can_be_started(
    executor: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = open_files()
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    result = await executor.execute(work("ADD", [1]))
    assert result.failure is not None
    assert "no process for the task" in result.failure.exception
    assert open_files() == files
