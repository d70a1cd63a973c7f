"""The state machines find nothing in our log, and detect a naive store."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from events.database import connect_pool
from events.store import Log
from projections.registry import discover
from tests import postgres
from tests.kit import naive
from tests.kit.append_machine import Appending
from tests.kit.duration import times
from tests.kit.feed_machine import Following, NaiveFollow, OurFollow
from tests.kit.projection_machine import NaiveProjects, OurProjects, Projecting
from tests.projections.conftest import opened

pytestmark = pytest.mark.torture
CALM = settings(
    stateful_step_count=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
HASTY = settings(CALM, max_examples=500, phases=[Phase.generate], database=None)


@pytest.fixture
def loop():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def pool(loop, database_url):
    pool = loop.run(connect_pool(database_url))
    yield pool
    loop.run(asyncio.wait_for(pool.close(), 10))  # a machine that fails may leave one acquired


@pytest.fixture
def naive_connection(loop, database_url):
    loop.run(naive.set_up(database_url))
    connection = loop.run(asyncpg.connect(database_url))
    yield connection
    loop.run(connection.close())


@pytest.fixture
def begun_empty(loop, naive_connection, database_url):
    """Makes a machine on an empty store: what one example left would decide how the next goes."""

    def make(machine, *of):
        loop.run(naive.set_up(database_url))
        return machine(*of)

    return make


def test_append_outcomes_match_the_model(loop, pool):
    """Acceptance A-4."""
    chosen = settings(CALM, max_examples=times(30, 250))
    run_state_machine_as_test(partial(Appending, Log(pool), loop), settings=chosen)


def test_append_checker_detects_a_naive_store(loop, naive_connection, begun_empty):
    machine = partial(begun_empty, Appending, naive.NaiveLog(naive_connection), loop)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=HASTY)


def test_feed_neither_skips_nor_repeats_in_any_order_of_steps(loop, pool, monkeypatch):
    """Acceptance S-3: a checkpoint kept at any moment never passes an event not worked on."""
    monkeypatch.setattr("events.follow.POLL_S", 0)
    chosen = settings(CALM, max_examples=times(60, 500), stateful_step_count=60)
    run_state_machine_as_test(partial(Following, OurFollow(pool), loop), settings=chosen)


@pytest.fixture
def two_ledgers(loop, postgres_run, template_database):
    """One for the runners, one for the plain fold."""
    with (
        postgres.fresh_database(postgres_run, template_database) as one,
        postgres.fresh_database(postgres_run, template_database) as other,
    ):
        stack = AsyncExitStack()
        entered = (stack.enter_async_context(opened(url, follow=False)) for url in (one, other))
        yield [loop.run(each) for each in entered]
        loop.run(stack.aclose())


@pytest.mark.parametrize("projection", discover(), ids=lambda each: each.name)
def test_two_runners_produce_the_rows_of_a_plain_fold(loop, two_ledgers, projection):
    """Acceptance P-3."""
    chosen = settings(CALM, max_examples=times(8, 100), stateful_step_count=40)
    subject = OurProjects(*two_ledgers, projection)
    run_state_machine_as_test(partial(Projecting, subject, loop), settings=chosen)


def test_projection_checker_detects_a_naive_checkpoint(loop, naive_connection, database_url):
    subject = NaiveProjects(database_url, naive_connection)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(partial(Projecting, subject, loop), settings=HASTY)


def test_feed_checker_detects_a_naive_reader(loop, naive_connection, database_url, begun_empty):
    subject = NaiveFollow(database_url, naive_connection)
    machine = partial(begun_empty, Following, subject, loop)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=HASTY)
