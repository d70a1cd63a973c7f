"""A worker may be killed between any two steps: whoever is left settles its run."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from events import types
from service.executors.workers import Pace
from tests.executors.ledger import Ledger, Scripted, story, told, working

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOMENTS = {
    "after RunClaimed": {"A": 1, "B": 1},
    "after TaskStarted": {"A": 2, "B": 1},
    "during A": {"A": 2, "B": 1},
    "before TaskSucceeded": {"A": 2, "B": 1},
    "after TaskSucceeded": {"A": 1, "B": 1},
}
"""For each moment how often each task is then started, by one worker or the other."""


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_run_whose_worker_is_killed_is_settled_by_another(
    ledger: Ledger, moment: str
) -> None:
    await ledger.register("A", "B")
    run_id = await ledger.start()
    url = ledger.service.settings.require_database_url
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.executors.doomed", url, *moment.split()
    )
    assert await doomed.wait() == -signal.SIGKILL
    executor = Scripted()
    async with working(ledger, executor, pace=Pace(beat_s=0.05, silence_s=0.2)):
        assert (await ledger.ended(run_id)).status == "succeeded"
    events = await ledger.events(run_id)
    started = [event.data["task"] for event in told(events, types.TASK_STARTED)]
    assert {task: started.count(task) for task in ("A", "B")} == MOMENTS[moment]
    assert len(told(events, types.RUN_CLAIMED)) == 2
    assert executor.arguments()["B"] == ("A's",)
    assert story(events)[-1] == "RunSucceeded"
