"""The lag monitor: a rate comes from two samples, whichever process applied the events."""

import pytest

from projections.serving import lag
from projections.serving.lag import LagMonitor, suggested_action
from tests.projections.histories import History

ROW = {
    "name": "lists",
    "version": 1,
    "serving": True,
    "state": "running",
    "rate_per_s": 0.0,
    "lag_s": 0.0,
}
PAUSED = {"state": "paused", "error_position": 7}


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when somebody sleeps, and when it is told to."""

    class Clock:
        now = 100.0
        slept = 0.0

        def monotonic(self):
            return self.now

        async def sleep(self, seconds):
            self.now += seconds
            self.slept += seconds

    clock = Clock()
    monkeypatch.setattr(lag, "time", clock)
    monkeypatch.setattr(lag, "asyncio", clock)
    return clock


async def move(ledger, position):
    await ledger.pool.execute(
        "update projections.checkpoints set position = $1 where name = 'executions'", position
    )


async def executions(monitor):
    return next(row for row in await monitor.refresh() if row["name"] == "executions")


async def test_first_call_waits_for_a_second_sample(ledger, clock):
    row = await executions(LagMonitor(ledger.pool))
    assert (clock.slept, row["rate_per_s"], row["rate_over_s"]) == (1.0, 0.0, 1.0)


async def test_rate_from_an_earlier_sample_needs_no_wait(ledger, clock):
    monitor = LagMonitor(ledger.pool)
    await executions(monitor)
    await move(ledger, 600)
    clock.now += 2.0

    row = await executions(monitor)
    assert (row["rate_per_s"], row["rate_over_s"], clock.slept) == (200.0, 3.0, 1.0)


async def test_sample_older_than_a_minute_is_not_used(ledger, clock):
    monitor = LagMonitor(ledger.pool)
    await executions(monitor)
    await move(ledger, 600)
    clock.now += 61.0

    row = await executions(monitor)
    assert (row["rate_per_s"], row["rate_over_s"], clock.slept) == (0.0, 1.0, 2.0)


async def test_earlier_sample_moves_on(ledger, clock):
    monitor = LagMonitor(ledger.pool)
    await executions(monitor)
    clock.now += 9.0
    await executions(monitor)
    await move(ledger, 600)
    clock.now += 2.0

    row = await executions(monitor)
    assert (row["rate_per_s"], row["rate_over_s"]) == (300.0, 2.0)


async def test_row_has_head_lag_and_rate(ledger, clock):
    history = History()
    history.register()
    history.queue()
    await ledger.write(history)

    row = await executions(LagMonitor(ledger.pool))
    assert row.keys() >= {"position", "head", "lag_events", "lag_s", "state", "error", "serving"}
    assert (row["head"], row["lag_events"], row["advice"]) == (2, 2, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"lag_s": 60.0, "rate_per_s": 3.0}, None),
        ({"lag_s": 60.0}, "no process applies"),
        ({"lag_s": 60.0, "state": "building"}, None),
        (PAUSED, "projections skip lists 7 --reason '...'`"),
        (PAUSED, "projections retry lists`"),
        ({**PAUSED, "serving": False}, "projections retry lists --version 1`"),
        ({**PAUSED, "serving": False}, "projections skip lists 7 --version 1 --reason '...'`"),
    ],
)
def test_action_is_suggested_only_where_an_operator_must_act(change, words):
    given = suggested_action(ROW | change)
    assert given is None if words is None else words in given
