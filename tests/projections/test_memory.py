"""What an applier remembers: runs that have only begun are let go before those under way."""

import pytest

from events import types
from projections.live.state_cache import Memory
from projections.projection import run_key
from projections.read_models import executions
from tests.projections.histories import History


class Nothing:
    """A database that holds no row, and notes what is asked of it."""

    def __init__(self):
        self.asked = []

    async def fetch(self, _statement, _kinds, _tenants, names, **_options):
        self.asked += names
        return []


@pytest.fixture
def nothing():
    return Nothing()


async def recall(memory, nothing, *events):
    """As an applier does with a batch: every state is one of a run."""
    await memory.recall(nothing, events)
    for event in events:
        memory.states[run_key(event)] = {"position": event.position}
    memory.keep(dict.fromkeys(map(run_key, events)))


async def test_a_burst_of_starts_pushes_out_no_run_that_is_under_way(nothing):
    memory = Memory(executions.PROJECTION, kept=2, newborn=3)
    history = History()
    history.register()
    for number in range(1, 10):
        history.queue(number)
    history.tell(types.RUN_STARTED, 1)
    history.tell(types.RUN_STARTED, 2)
    _, *begun, one, two = history.events
    await recall(memory, nothing, *begun[:2], one, two)
    for event in begun[2:]:
        await recall(memory, nothing, event)
    assert [*memory.states] == [run_key(event) for event in (one, two, *begun[-3:])]
    assert nothing.asked == []


async def test_of_those_under_way_the_one_not_changed_for_longest_goes_first(nothing):
    memory = Memory(executions.PROJECTION, kept=2, newborn=3)
    history = History()
    history.register()
    for number in (1, 2, 3):
        history.queue(number)
    for number in (1, 2, 1, 3):
        history.tell(types.RUN_STARTED, number)
    _, *events = history.events
    for event in events:
        await recall(memory, nothing, event)
    assert [*memory.states] == [run_key(event) for event in events[-2:]]
    await recall(memory, nothing, events[4])
    assert nothing.asked == [run_key(events[4])[2]]


async def test_a_run_is_shown_as_it_was_after_an_event_and_no_later(nothing):
    memory = Memory(executions.PROJECTION)
    history = History()
    history.register()
    history.queue(1)
    history.tell(types.RUN_STARTED, 1)
    history.queue(2)
    _, first, then, other = history.events
    await recall(memory, nothing, first)
    shown = memory.shown(first)
    assert shown == {"position": first.position}
    assert shown is not memory.states[run_key(first)]  # what is shown is no state to go on with
    assert memory.shown(other) is None
    await recall(memory, nothing, then)
    assert memory.shown(first) is None
    assert memory.shown(then) == {"position": then.position}
    memory.forget()
    assert memory.shown(then) is None
