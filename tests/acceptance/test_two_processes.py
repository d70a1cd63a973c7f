"""Two processes on one database share the work, and neither's death loses or doubles anything."""

from __future__ import annotations

import asyncio
import textwrap
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.ledger import Client, Ledger

RUNS = 50
STEPS = ("ONE", "TWO", "THREE")
SETTLED_S = 30.0
FLOWS = """
    kill.STEPS:
      tasks: [ONE, TWO, THREE]
"""
TASKS = """
    import os, time
    from pathlib import Path
    from service.tasks import task

    DIARY = Path(__file__).parents[1] / "diary"


    def step(name):
        @task(name=name)
        def run(previous, payload, workflow_id):
            write(f"{workflow_id} {name} begins")
            time.sleep(0.2)
            write(f"{workflow_id} {name} ends")
            return os.getpid()


    def write(line):
        with DIARY.open("a") as diary:
            diary.write(line + "\\n")


    for each in ("ONE", "TWO", "THREE"):
        step(each)
"""


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    (folder / "tasks").mkdir(parents=True)
    (folder / "flows.yaml").write_text(textwrap.dedent(FLOWS))
    (folder / "tasks" / "steps.py").write_text(textwrap.dedent(TASKS))
    return folder


@pytest.fixture
def pair(database_url: str, tmp_path: Path, flows: Path) -> Any:
    ledger = Ledger(database_url, tmp_path, FLOWLEDGER_FLOWS=str(flows))
    ledger.set_up(flows)
    yield ledger
    ledger.close()


async def start_many(clients: tuple[Client, Client]) -> list[str]:
    started = [clients[n % 2].start("kill.STEPS") for n in range(RUNS)]
    return [run["run_id"] for run in await asyncio.gather(*started)]


async def count_running(client: Client) -> int:
    return len((await client.api("GET", "/v1/runs?status=running"))["runs"])


async def whole_log(client: Client) -> list[dict[str, Any]]:
    key = client.ledger.create_key("auditor", "*")
    headers = {"Authorization": f"Bearer {key['token']}"}
    events: list[dict[str, Any]] = []
    while True:
        path = f"/v1/events?after={len(events)}&limit=1000"
        page = await client.call("GET", path, headers=headers)
        if not page["events"]:
            return events
        events += page["events"]


def check_order(events: list[dict[str, Any]]) -> None:
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    versions = defaultdict(list)
    for event in events:
        versions[event["stream"]].append(event["version"])
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    assert len({event["event_id"] for event in events}) == len(events)


def check_attempts(events: list[dict[str, Any]], diary: list[str]) -> None:
    """Every attempt ran at most once, and a second one only after the first was lost."""
    started: Counter[tuple[str, str]] = Counter()
    lost: Counter[tuple[str, str]] = Counter()
    for event in events:
        key = (event["stream"].removeprefix("run:"), event["data"].get("task", ""))
        started[key] += event["type"] == "TaskStarted"
        lost[key] += event["type"] == "TaskFailed" and event["data"]["reason"] == "lost"
    began = Counter(tuple(line.split()[:2]) for line in diary if line.endswith("begins"))
    for key, count in started.items():
        if count:
            assert count == 1 + lost[key]
            assert began[key] <= count


async def test_two_processes_share_the_work_and_run_every_task_once(
    pair: Ledger, flows: Path
) -> None:
    one, two = await asyncio.gather(pair.serve(), pair.serve())
    async with Client(pair, one) as first, Client(pair, two) as second:
        run_ids = await start_many((first, second))
        # An id from one process is readable at once in the other.
        await asyncio.gather(*(second.run(run_id) for run_id in run_ids))
        runs = [await first.ended(run_id) for run_id in run_ids]
        assert {run["status"] for run in runs} == {"succeeded"}
        events = await whole_log(first)
    check_order(events)
    diary = (flows / "diary").read_text().splitlines()
    assert Counter(line.split()[1] for line in diary) == dict.fromkeys(STEPS, 2 * RUNS)
    workers = {event["data"]["worker"] for event in events if event["type"] == "RunClaimed"}
    assert len(workers) == 2


@pytest.mark.parametrize("victim", [0, 1])
async def test_killing_either_process_leaves_no_run_unsettled(
    pair: Ledger, flows: Path, victim: int
) -> None:
    processes = await asyncio.gather(pair.serve(), pair.serve())
    async with Client(pair, processes[0]) as first, Client(pair, processes[1]) as second:
        run_ids = await start_many((first, second))
        survivor = (second, first)[victim]
        async with asyncio.timeout(30):
            while await count_running(survivor) < 2:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.01)
        processes[victim].kill()
        async with asyncio.timeout(SETTLED_S):
            runs = [await survivor.ended(run_id) for run_id in run_ids]
        assert {run["status"] for run in runs} == {"succeeded"}
        events = await whole_log(survivor)
    check_order(events)
    check_attempts(events, (flows / "diary").read_text().splitlines())
