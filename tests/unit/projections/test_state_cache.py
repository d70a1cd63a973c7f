"""The state cache: what it evicts first, and which documents it gives."""

import pytest

from events import types
from projections.live.state_cache import StateCache
from projections.projection import run_key
from projections.read_models import executions
from tests.projections.histories import History


class EmptyDatabase:
    """A database without rows that records which names were loaded."""

    def __init__(self):
        self.loaded = []

    async def fetch(self, _statement, _kinds, _tenants, names, **_options):
        self.loaded += names
        return []


@pytest.fixture
def database():
    return EmptyDatabase()


async def apply(cache, database, *events):
    """Cache the states of a batch as a projector does; every state is a run's."""
    await cache.load(database, events)
    for event in events:
        cache.states[run_key(event)] = {"position": event.position}
    cache.retain(dict.fromkeys(map(run_key, events)))


async def test_burst_of_starts_evicts_no_run_in_progress(database):
    cache = StateCache(executions.PROJECTION, capacity=2, new_run_capacity=3)
    history = History()
    history.register()
    for number in range(1, 10):
        history.queue(number)
    history.tell(types.RUN_STARTED, 1)
    history.tell(types.RUN_STARTED, 2)
    _, *queued, one, two = history.events
    await apply(cache, database, *queued[:2], one, two)
    for event in queued[2:]:
        await apply(cache, database, event)
    assert [*cache.states] == [run_key(event) for event in (one, two, *queued[-3:])]
    assert database.loaded == []


async def test_least_recently_changed_run_in_progress_is_evicted_first(database):
    cache = StateCache(executions.PROJECTION, capacity=2, new_run_capacity=3)
    history = History()
    history.register()
    for number in (1, 2, 3):
        history.queue(number)
    for number in (1, 2, 1, 3):
        history.tell(types.RUN_STARTED, number)
    _, *events = history.events
    for event in events:
        await apply(cache, database, event)
    assert [*cache.states] == [run_key(event) for event in events[-2:]]
    await apply(cache, database, events[4])
    assert database.loaded == [run_key(events[4])[2]]


async def test_document_is_given_only_for_the_last_event_applied(database):
    cache = StateCache(executions.PROJECTION)
    history = History()
    history.register()
    history.queue(1)
    history.tell(types.RUN_STARTED, 1)
    history.queue(2)
    _, first, second, other = history.events
    await apply(cache, database, first)
    document = cache.document_after(first)
    assert document == {"position": first.position}
    assert document is not cache.states[run_key(first)]
    assert cache.document_after(other) is None
    await apply(cache, database, second)
    assert cache.document_after(first) is None
    assert cache.document_after(second) == {"position": second.position}
    cache.clear()
    assert cache.document_after(second) is None
