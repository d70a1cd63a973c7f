"""A worker is killed between any two steps: another one finishes its run."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from events import types
from service.executors.heartbeats import HeartbeatTiming
from tests.executors.ledger import Ledger, ScriptedExecutor, of_type, story, working

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOMENTS = {
    "after RunClaimed": {"A": 1, "B": 1},
    "after TaskStarted": {"A": 2, "B": 1},
    "during A": {"A": 2, "B": 1},
    "before TaskSucceeded": {"A": 2, "B": 1},
    "after TaskSucceeded": {"A": 1, "B": 1},
}
"""For each moment, how often each task starts, on either worker."""


async def killed(ledger: Ledger, moment: str) -> str:
    """Run a worker until it is killed at that moment; its name."""
    url = ledger.service.settings.require_database_url
    doomed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.executors.doomed", url, *moment.split()),
        stdout=asyncio.subprocess.PIPE,
    )
    name, _ = await doomed.communicate()
    assert doomed.returncode == -signal.SIGKILL
    return name.decode().strip()


async def test_run_of_a_killed_worker_is_finished_by_another(ledger: Ledger) -> None:
    await ledger.register("A", "B")
    run_ids = [await ledger.start() for _ in MOMENTS]
    names = await asyncio.gather(*(killed(ledger, moment) for moment in MOMENTS))
    executor = ScriptedExecutor()
    async with working(ledger, executor, timing=HeartbeatTiming(interval_s=0.05, expiry_s=0.2)):
        for run_id in run_ids:
            assert (await ledger.ended(run_id)).status == "succeeded"
    moments = dict(zip(names, MOMENTS, strict=True))
    counted = {}
    for run_id in run_ids:
        events = await ledger.events(run_id)
        first, second = of_type(events, types.RUN_CLAIMED)
        started = [event.data["task"] for event in of_type(events, types.TASK_STARTED)]
        counted[moments[first.data["worker"]]] = {task: started.count(task) for task in "AB"}
        assert second.data["epoch"] == 2
        assert story(events)[-1] == "RunSucceeded"
    assert counted == MOMENTS
    assert {work.arguments for work in executor.executed if work.task.key == "B"} == {("A's",)}
