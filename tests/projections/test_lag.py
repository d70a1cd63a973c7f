"""How fast a read model goes on is what lies between two looks, whoever has moved it."""

import pytest

from projections.serving import lag
from projections.serving.lag import Progress, advice
from tests.projections.histories import History

ROW = {"name": "lists", "version": 1, "state": "running", "rate_per_s": 0.0, "lag_s": 0.0}


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


async def executions(looking):
    return next(row for row in await looking.look() if row["name"] == "executions")


async def test_the_first_to_ask_waits_for_a_second_look(ledger, clock):
    row = await executions(Progress(ledger.pool))
    assert (clock.slept, row["rate_per_s"], row["rate_over_s"]) == (1.0, 0.0, 1.0)


async def test_a_rate_is_taken_from_an_earlier_look_without_waiting(ledger, clock):
    looking = Progress(ledger.pool)
    await executions(looking)
    await move(ledger, 600)
    clock.now += 2.0

    row = await executions(looking)
    assert (row["rate_per_s"], row["rate_over_s"], clock.slept) == (200.0, 3.0, 1.0)


async def test_an_old_look_says_nothing_of_now(ledger, clock):
    looking = Progress(ledger.pool)
    await executions(looking)
    await move(ledger, 600)
    clock.now += 61.0

    row = await executions(looking)
    assert (row["rate_per_s"], row["rate_over_s"], clock.slept) == (0.0, 1.0, 2.0)


async def test_what_is_compared_with_moves_on(ledger, clock):
    looking = Progress(ledger.pool)
    await executions(looking)
    clock.now += 9.0
    await executions(looking)
    await move(ledger, 600)
    clock.now += 2.0

    row = await executions(looking)
    assert (row["rate_per_s"], row["rate_over_s"]) == (300.0, 2.0)


async def test_a_look_tells_head_lag_and_rate(ledger, clock):
    history = History()
    history.register()
    history.queue()
    await ledger.write(history)

    row = await executions(Progress(ledger.pool))
    assert row.keys() >= {"position", "head", "lag_events", "lag_s", "state", "error", "serving"}
    assert (row["head"], row["lag_events"], row["advice"]) == (2, 2, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"lag_s": 60.0, "rate_per_s": 3.0}, None),
        ({"lag_s": 60.0}, "nobody applies it"),
        ({"lag_s": 60.0, "state": "building"}, None),
        ({"state": "paused", "error_position": 7}, "projections skip lists 7"),
        ({"state": "paused", "error_position": 7}, "projections retry lists"),
    ],
)
def test_the_advice_is_for_what_needs_a_hand(change, words):
    given = advice(ROW | change)
    assert given is None if words is None else words in given
