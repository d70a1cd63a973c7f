from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.executors.in_process import InProcess

TASKS = """
    import asyncio, os, signal, time
    from service.tasks import StatementError, report, task


    @task(name="ADD")
    def add(numbers, payload, workflow_id):
        return sum(numbers)


    @task(name="ECHO")
    def echo(previous, payload, workflow_id):
        print("hello", payload.get("who"))
        return {"previous": previous, "payload": payload, "workflow_id": workflow_id}


    @task(name="ECHO_ASYNC")
    async def echo_async(previous, payload, workflow_id):
        await asyncio.sleep(0)
        report.metric("rows", 3)
        return {"previous": previous, "payload": payload, "workflow_id": workflow_id}


    @task(name="WARN")
    def warn(*args, **kwargs):
        report.warn("mind the gap")
        report.metric("rows", 7)
        return None


    @task(name="STATEMENT")
    def statement(*args, **kwargs):
        raise StatementError("no such table", statement="select 1 from nowhere", line=4)


    @task(name="NAN")
    def nan(*args, **kwargs):
        return float("nan")


    @task(name="OBJECT")
    def unserialisable(*args, **kwargs):
        return object()


    @task(name="DIE")
    def die(*args, **kwargs):
        print("last words")
        os.kill(os.getpid(), signal.SIGKILL)


    @task(name="LOUD")
    def loud(*args, **kwargs):
        for number in range(20000):
            print("line", number)


    @task(name="SLEEP")
    def sleep(previous, payload, workflow_id):
        open(payload["began"], "w").close()
        time.sleep(60)


    @task(name="STUBBORN")
    def stubborn(previous, payload, workflow_id):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(payload["began"], "w").close()
        time.sleep(60)


    @task(name="SLEEP_ASYNC")
    async def sleep_async(previous, payload, workflow_id):
        open(payload["began"], "w").close()
        await asyncio.sleep(60)
"""


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "all.py").write_text(textwrap.dedent(TASKS))
    return tmp_path


@pytest.fixture
async def executor(flows: Path) -> AsyncIterator[InProcess]:
    executor = InProcess(flows, slots=2, grace_s=0.5)
    yield executor
    await executor.close()
