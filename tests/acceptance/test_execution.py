"""What a flow's file says is what its tasks do, in the real program."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.ledger import Client, Ledger

FLOWS = """
    run.CHAIN:
      tasks:
        - NAME
        - BOTH:
            type: group
            tasks:
              - NAME
              - LINE: {type: chain, tasks: [NAME, NAME]}
        - NAME
      hooks: {success: HOOK, failure: HOOK}
    run.FAILURE:
      tasks: [BREAK, NAME]
      hooks: {success: HOOK, failure: HOOK}
    run.RETRIES:
      tasks:
        - THIRD_TIME: {retries: 2}
    run.TASK_TIMEOUT:
      tasks:
        - SLEEP: {timeout: 0.5}
    run.RUN_TIMEOUT:
      tasks: [SLEEP, NAME]
      timeout: 1
    run.COMMAND:
      tasks:
        - SAY:
            type: command
            command: [sh, -c, 'echo "$WORD"; echo oops >&2']
            environment: {WORD: hi}
        - SHOUT: {type: command, command: [sh, -c, "seq 100000; exit 3"]}
    run.TOO_LARGE:
      tasks: [HUGE, NAME]
    run.WAIT:
      tasks: [WAIT, NAME]
    run.HANG:
      tasks:
        - HANG:
            type: command
            command: [sh, -c, "test -e hung && exit; echo $$ $PPID > hung; sleep 60"]
"""
TASKS = """
    import time
    from pathlib import Path
    from service.tasks import task

    FOLDER = Path(__file__).parents[1]


    @task(name="NAME")
    async def name(previous, payload, workflow_id):
        return [previous]


    @task(name="HOOK")
    def hook(*previous, payload, workflow_id):
        return list(previous)


    @task(name="BREAK")
    def fail(*args, **kwargs):
        raise ValueError("no luck")


    @task(name="THIRD_TIME")
    def third_time(previous, payload, workflow_id):
        with (FOLDER / workflow_id).open("a+") as tries:
            tries.write("x")
            tries.flush()
            if tries.tell() < 3:
                raise ValueError("not yet")


    @task(name="SLEEP")
    def sleep(*args, **kwargs):
        time.sleep(60)


    @task(name="HUGE")
    def huge(*args, **kwargs):
        return "x" * 100_000


    @task(name="WAIT")
    def wait(*args, **kwargs):
        (FOLDER / "waiting").touch()
        while not (FOLDER / "go").exists():
            time.sleep(0.01)
"""


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    (folder / "tasks").mkdir(parents=True)
    (folder / "flows.yaml").write_text(textwrap.dedent(FLOWS))
    (folder / "tasks" / "all.py").write_text(textwrap.dedent(TASKS))
    return folder


@pytest.fixture
def ledger(database_url: str, tmp_path: Path, flows: Path) -> Iterator[Ledger]:
    ledger = Ledger(database_url, tmp_path, FLOWLEDGER_FLOWS=str(flows))
    ledger.set_up(flows)
    yield ledger
    ledger.close()


async def until_exists(path: Path) -> None:
    async with asyncio.timeout(30):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process writes it
            await asyncio.sleep(0.02)


def results(run: dict[str, Any]) -> dict[str, Any]:
    return {task["path"]: task["result"] for task in run["tasks"] if task["status"] != "skipped"}


async def test_flows_run_as_defined_in_their_file(client: Client) -> None:
    names = ("CHAIN", "FAILURE", "RETRIES", "TASK_TIMEOUT", "RUN_TIMEOUT", "COMMAND", "TOO_LARGE")
    started = {name: await client.start(f"run.{name}") for name in names}
    ended = {name: await client.ended(run["run_id"]) for name, run in started.items()}

    chain = ended["CHAIN"]
    assert chain["status"] == "succeeded", chain
    assert results(chain) == {
        "NAME": [None],
        "BOTH/NAME": [[None]],
        "BOTH/LINE/NAME": [[None]],
        "BOTH/LINE/NAME#2": [[[None]]],
        "NAME#2": [[[[None]], [[[None]]]]],
        "@success/HOOK": [None],
    }

    failure = ended["FAILURE"]
    assert (failure["status"], failure["error"]["exception"]) == ("failed", "no luck")
    assert results(failure) == {"BREAK": None, "@failure/HOOK": []}

    retried = ended["RETRIES"]
    assert (retried["status"], retried["tasks"][0]["attempt"]) == ("succeeded", 3)

    for name, skipped in (("TASK_TIMEOUT", 0), ("RUN_TIMEOUT", 1)):
        timed_out = ended[name]
        assert (timed_out["status"], timed_out["error"]["reason"]) == ("failed", "timeout")
        assert [task["status"] for task in timed_out["tasks"]] == ["failed"] + skipped * ["skipped"]

    said, shouted = ended["COMMAND"]["tasks"]
    assert (said["status"], said["result"], said["log"]) == ("succeeded", 0, "hi\noops\n")
    assert shouted["error"]["exception"] == "the command ended with exit status 3"
    assert shouted["log"].endswith("99999\n100000\n")
    assert len(shouted["log"]) == 32 * 1024

    too_large = ended["TOO_LARGE"]
    assert too_large["status"] == "failed"
    assert "bytes are more than" in too_large["error"]["exception"]
    assert [task["status"] for task in too_large["tasks"]] == ["failed", "skipped"]


async def test_graceful_stop_finishes_a_task_and_kill_ends_it(ledger: Ledger, flows: Path) -> None:
    first = await ledger.serve()
    async with Client(ledger, first) as client:
        hanging = await client.start("run.HANG")
        await until_exists(flows / "hung")
        waiting = await client.start("run.WAIT")
        await until_exists(flows / "waiting")
    (flows / "waiting").unlink()
    first.kill()
    async with asyncio.timeout(10):
        for pid in (flows / "hung").read_text().split():
            while is_alive(int(pid)):  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0.02)

    second = await ledger.serve()
    await until_exists(flows / "waiting")  # taken over, after the silence
    stopping = asyncio.create_task(asyncio.to_thread(second.stop))
    async with asyncio.timeout(30):
        while "stopping" not in second.log.read_text():  # noqa: ASYNC110 - another process's log
            await asyncio.sleep(0.02)
    (flows / "go").touch()
    assert await stopping == 0, second.log.read_text()

    async with Client(ledger, await ledger.serve()) as client:
        for run in (waiting, hanging):
            ended = await client.ended(run["run_id"])
            assert ended["status"] == "succeeded"
            assert ended["tasks"][0]["attempt"] == 2


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
