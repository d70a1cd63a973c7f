"""A caller that waits for a run is woken by its end, once, whatever the follower suffers."""

import asyncio
from datetime import UTC, datetime

import pytest

from events import types
from events.envelope import Event
from service.runs.read.completion import RunCompletionWaiter

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(position, kind, run_id="r"):
    return Event(
        position=position,
        tenant="t",
        stream=types.run_stream(run_id),
        version=1,
        event_id="e",
        type=kind,
        schema_version=1,
        data={},
        metadata={},
        actor="a",
        correlation_id="",
        causation_id="",
        idempotency_key="",
        occurred_at=None,
        recorded_at=NOW,
        leaf_hash=b"",
    )


class Feed:
    """A feed of what a test appends; it breaks where an error stands among the batches."""

    def __init__(self):
        self.head = 7
        self.asked = []
        self._batches = asyncio.Queue()

    def append(self, *events):
        self._batches.put_nowait(events)

    def fail(self):
        self._batches.put_nowait(OSError("away"))

    async def subscribe(self, after):
        self.asked.append(after)
        while True:
            batch = await self._batches.get()
            if isinstance(batch, Exception):
                raise batch
            yield batch


@pytest.fixture
async def feed():
    return Feed()


@pytest.fixture
async def waiter(feed):
    waiter = RunCompletionWaiter(feed)
    task = asyncio.create_task(waiter.run())
    await asyncio.sleep(0)
    yield waiter
    task.cancel()
    with pytest.raises((asyncio.CancelledError, OSError)):
        await task


async def woken(end):
    return await asyncio.wait_for(end, 10)


@pytest.mark.parametrize("kind", sorted(types.RUN_ENDS))
async def test_every_kind_of_end_wakes_the_watcher_with_its_position(waiter, feed, kind):
    with waiter.watch("r") as end:
        feed.append(event(8, "TaskSucceeded"), event(9, kind))
        assert await woken(end) == 9


async def test_end_wakes_all_watchers_of_its_run_and_no_others(waiter, feed):
    with (
        waiter.watch("r") as one,
        waiter.watch("r") as two,
        waiter.watch("s") as other,
    ):
        feed.append(event(8, "RunSucceeded"))
        assert await asyncio.gather(woken(one), woken(two)) == [8, 8]
        assert not other.done()


async def test_cancelled_watcher_does_not_cancel_others(waiter, feed):
    with waiter.watch("r") as stays:
        with waiter.watch("r") as leaves:
            leaves.cancel()
        with waiter.watch("r") as hangs_up:
            hangs_up.cancel()
            feed.append(event(8, "RunFailed"))
            assert await woken(stays) == 8


async def test_no_entry_is_left_after_the_last_watcher(waiter):
    with waiter.watch("r"), waiter.watch("r"):
        pass
    assert not waiter._waiting


async def test_position_is_that_of_the_last_event_searched(waiter, feed):
    assert waiter.position == 7
    with waiter.watch("r") as end:
        feed.append(event(8, "RunSucceeded"), event(9, "RunQueued", "s"))
        await woken(end)
    assert waiter.position == 9


async def test_restart_continues_at_the_last_position():
    feed = Feed()
    waiter = RunCompletionWaiter(feed)
    feed.append(event(8, "RunQueued"))
    feed.fail()
    with pytest.raises(OSError, match="away"):
        await waiter.run()
    feed.head = 20
    feed.fail()
    with pytest.raises(OSError, match="away"):
        await waiter.run()
    assert feed.asked == [7, 8]
