"""An executor with a folder of tasks, and a ledger with as many workers as a test starts."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from service.executors.in_process import InProcess
from tests import postgres
from tests.executors.ledger import Ledger, open_ledger

TASKS = """
    import asyncio, os, signal, subprocess, sys, time
    from service.tasks import StatementError, report, task

    print("loading")


    @task(name="ADD")
    def add(numbers, payload, workflow_id):
        return sum(numbers)


    @task(name="PID")
    def pid(*args, **kwargs):
        return os.getpid()


    @task(name="ECHO")
    def echo(previous, payload, workflow_id):
        print("hello", payload.get("who"))
        return {"previous": previous, "payload": payload, "workflow_id": workflow_id}


    @task(name="ECHO_ASYNC")
    async def echo_async(previous, payload, workflow_id):
        await asyncio.sleep(0)
        report.metric("rows", 3)
        return {"previous": previous, "payload": payload, "workflow_id": workflow_id}


    @task(name="GREEDY")
    async def greedy(previous, payload, workflow_id):
        previous.append("mine")
        payload["who"].append("mine")


    @task(name="WARN")
    def warn(*args, **kwargs):
        report.warn("mind the gap")
        report.metric("rows", 7)
        return None


    @task(name="STATEMENT")
    def statement(*args, **kwargs):
        raise StatementError("no such table", statement="select 1 from nowhere", line=4)


    @task(name="NO_LINE")
    def no_line(*args, **kwargs):
        raise StatementError("oops", statement=b"select 1", line="4")


    @task(name="ODD")
    def odd(*args, **kwargs):
        report.metric("rows", object())
        raise ValueError("a\\0b\\udcffc" + 5000 * "x")


    @task(name="ODD_ASYNC")
    async def odd_async(*args, **kwargs):
        odd()


    class Mute(Exception):
        def __str__(self):
            raise TypeError


    @task(name="MUTE")
    async def mute(*args, **kwargs):
        raise Mute


    @task(name="EXIT")
    def leave(*args, **kwargs):
        sys.exit(3)


    @task(name="EXIT_ASYNC")
    async def leave_async(*args, **kwargs):
        sys.exit(3)


    class Rude(BaseException):
        pass


    @task(name="RUDE_ASYNC")
    async def rude_async(*args, **kwargs):
        raise Rude("out of my way")


    @task(name="CANCELS_ITSELF")
    async def cancels_itself(*args, **kwargs):
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future


    @task(name="CANCELS_ITS_OWN_TASK")
    async def cancels_its_own_task(*args, **kwargs):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)


    @task(name="NAN")
    def nan(*args, **kwargs):
        return float("nan")


    @task(name="OBJECT")
    def unserialisable(*args, **kwargs):
        return object()


    @task(name="DEEP")
    async def deep(*args, **kwargs):
        value = []
        for _ in range(220):
            value = [value]
        return value


    @task(name="HUGE")
    def huge(*args, **kwargs):
        return "x" * 3_000_000


    @task(name="DIE")
    def die(*args, **kwargs):
        print("last words", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


    @task(name="FORK_AND_DIE")
    def fork_and_die(*args, **kwargs):
        if os.fork() == 0:
            time.sleep(60)
        os._exit(7)


    @task(name="TERMINATED")
    def terminated(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)


    @task(name="LOUD")
    def loud(*args, **kwargs):
        for number in range(20000):
            print("line", number)


    @task(name="CLOSE")
    def close(previous, payload, workflow_id):
        print("last words")
        exec(payload["how"])
        return os.getpid()


    @task(name="SLEEP")
    def sleep(previous, payload, workflow_id):
        begin(payload)
        time.sleep(60)


    @task(name="STUBBORN")
    def stubborn(previous, payload, workflow_id):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        begin(payload)
        time.sleep(60)


    @task(name="SLEEP_ASYNC")
    async def sleep_async(previous, payload, workflow_id):
        begin(payload)
        await asyncio.sleep(60)


    @task(name="STUBBORN_ASYNC")
    async def stubborn_async(previous, payload, workflow_id):
        begin(payload)
        while not os.path.exists(payload["began"] + ".end"):
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass


    @task(name="POLITE")
    def polite(previous, payload, workflow_id):
        try:
            begin(payload)
            time.sleep(60)
        except BaseException:
            return "tidied up"


    @task(name="POLITE_ASYNC")
    async def polite_async(previous, payload, workflow_id):
        try:
            begin(payload)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "tidied up"


    def begin(payload):
        open(payload["began"], "w").close()
"""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """All run on uvloop; the modules that say EVERY_LOOP run on plain asyncio as well."""
    factories = {"uvloop": uvloop.new_event_loop}
    if getattr(item.module, "EVERY_LOOP", False):
        factories["asyncio"] = asyncio.new_event_loop
    return factories


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ledger(
    postgres_run: Path, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ledger]:
    """A ledger with its read models and no worker; its tests leave no run behind that is open."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        async with open_ledger(url, tmp_path_factory.mktemp("home")) as ledger:
            yield ledger


@pytest_asyncio.fixture(loop_scope="module")
async def own_ledger(database_url: str, tmp_path: Path) -> AsyncIterator[Ledger]:
    """A ledger of the test's own."""
    async with open_ledger(database_url, tmp_path) as ledger:
        yield ledger
