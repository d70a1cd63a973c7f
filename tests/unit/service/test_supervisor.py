"""The supervisor: what crashes is logged and started again, and at the end nothing is left."""

import asyncio

import pytest
import structlog

from events.errors import LogUnavailable
from service.ops.supervisor import Supervisor


@pytest.fixture
async def supervisor():
    supervisor = Supervisor(first_delay_s=0.001, longest_delay_s=0.002)
    yield supervisor
    await supervisor.stop()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a condition, whatever it is
            await asyncio.sleep(0)


class Crashing:
    """Crashes so many times, then goes on."""

    def __init__(self, times, error=None):
        self.left = times
        self.error = error or RuntimeError("boom")
        self.calm = asyncio.Event()

    async def run(self):
        if self.left:
            self.left -= 1
            raise self.error
        self.calm.set()
        await asyncio.Event().wait()


async def test_a_crash_is_logged_with_its_error_and_the_task_started_again(supervisor):
    work = Crashing(2)
    with structlog.testing.capture_logs() as logged:
        supervisor.start("feed", work.run)
        await asyncio.wait_for(work.calm.wait(), 10)
    (task,) = supervisor.tasks
    assert (task.name, task.state, task.crashes) == ("feed", "running", 2)
    assert task.last_error == "RuntimeError('boom')"
    assert task.last_crash_at is not None
    assert [(e["event"], e["task"], repr(e["exc_info"])) for e in logged] == [
        ("background task crashed", "feed", "RuntimeError('boom')")
    ] * 2


async def test_a_database_that_is_away_is_one_line_without_a_traceback(supervisor):
    work = Crashing(2, LogUnavailable("away"))
    with structlog.testing.capture_logs() as logged:
        supervisor.start("feed", work.run)
        await asyncio.wait_for(work.calm.wait(), 10)
    assert [(e["log_level"], e["reason"]) for e in logged] == [("warning", "away")]
    assert supervisor.tasks[0].crashes == 0


async def test_a_task_that_returns_is_started_again_too(supervisor):
    rounds = []

    async def run():
        rounds.append(1)

    with structlog.testing.capture_logs():
        supervisor.start("short", run)
        await until(lambda: len(rounds) > 2)
    assert supervisor.tasks[0].last_error == "ended by itself"


async def test_while_it_waits_its_state_says_so():
    supervisor = Supervisor(first_delay_s=1000, longest_delay_s=1000)
    with structlog.testing.capture_logs():
        supervisor.start("feed", Crashing(1).run)
        await until(lambda: supervisor.tasks[0].state == "restarting")
    await supervisor.stop()
    assert supervisor.tasks[0].state == "stopped"


async def test_stopping_ends_the_last_started_first_and_waits(supervisor):
    ended = []

    def work(name):
        async def run():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(name)

        return run

    for name in ("first", "second", "third"):
        supervisor.start(name, work(name))
    await asyncio.sleep(0)
    await supervisor.stop("second")
    await supervisor.stop()
    assert ended == ["second", "third", "first"]
    assert {task.state for task in supervisor.tasks} == {"stopped"}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_task_that_was_asked_to_end_is_not_started_again(supervisor):
    asked = asyncio.Event()
    with structlog.testing.capture_logs() as logged:
        supervisor.start("batcher", asked.wait)
        await asyncio.sleep(0)
        supervisor.wind_down()
        asked.set()
        await until(lambda: supervisor.tasks[0].state == "stopped")
    assert logged == []
    assert supervisor.tasks[0].crashes == 0


async def test_stopping_twice_harms_nobody(supervisor):
    supervisor.start("feed", Crashing(0).run)
    await supervisor.stop()
    await supervisor.stop()


async def test_a_crash_of_one_leaves_the_others_alone(supervisor):
    calm = Crashing(0)
    with structlog.testing.capture_logs():
        supervisor.start("calm", calm.run)
        supervisor.start("wild", Crashing(3).run)
        await until(lambda: supervisor.tasks[1].crashes == 3)
    assert supervisor.tasks[0].crashes == 0
