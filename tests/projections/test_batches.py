"""However a history is cut into batches, however little is remembered: the rows are the same."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import types
from events.database import connect
from projections.live.projector import Projector
from projections.registry import discover
from tests import postgres
from tests.projections.conftest import first, opened
from tests.projections.histories import ONE, TREE, History

TASKS = {
    "example.ETL": ("A", "B", "OK"),
    "example.PLAN": ("T1", "T2", "T3"),
    "example.OUT": ("LOAD",),
}
OUTPUT = st.fixed_dictionaries(
    {},
    optional={
        "result": st.sampled_from([None, 1, {"a": [1.5]}]),
        "metrics": st.sampled_from([{"rows": 3}, {}, 7]),
        "warnings": st.sampled_from([["w"], [], "one"]),
        "log": st.just("é\n"),
    },
)
RUN_EVENTS = st.one_of(
    st.tuples(st.sampled_from([types.RUN_STARTED, *sorted(types.RUN_ENDS)]), OUTPUT),
    st.tuples(st.just(types.RUN_CLAIMED), st.just({"worker": "w", "epoch": 2})),
    st.tuples(st.just(types.RUN_CANCEL_REQUESTED), st.fixed_dictionaries({"force": st.booleans()})),
    st.tuples(st.sampled_from([types.RUN_UNLISTED, types.REPORT_REFUSED]), st.just({})),
)
FAILURE = st.fixed_dictionaries({"will_retry": st.booleans(), "reason": st.just("lost")})
TASK_EVENTS = st.tuples(
    st.sampled_from(sorted(types.TASK_TYPES)),
    st.builds(lambda told, failure: told | failure, OUTPUT, FAILURE),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("queue"), st.sampled_from(sorted(TASKS)), st.sampled_from(["acme", "b"])),
        st.tuples(st.just("run"), st.integers(0, 5), RUN_EVENTS),
        st.tuples(st.just("task"), st.integers(0, 5), TASK_EVENTS),
    ),
    min_size=20,
    max_size=40,
)


@st.composite
def histories(draw):
    history = History()
    for tenant in ("acme", "b"):
        history.register("example.ETL", tenant=tenant)
        history.register("example.PLAN", TREE, tenant=tenant)
        history.register("example.OUT", ONE, tenant=tenant, executor="external", timeout_s=9)
    runs = [(0, "example.ETL", "acme"), (1, "example.PLAN", "b"), (2, "example.OUT", "acme")]
    for number, fullname, tenant in runs:
        history.queue(number, fullname, tenant=tenant)
    for step, which, what in draw(STEPS):
        if step == "queue":
            runs.append((len(runs), which, what))
            history.queue(len(runs) - 1, which, tenant=what)
        else:
            number, fullname, tenant = runs[which % len(runs)]
            kind, data = what
            if step == "task":
                data = {**data, "task": TASKS[fullname][which % len(TASKS[fullname])]}
            history.tell(kind, number, tenant=tenant, **data)
    return history


CUTS = st.lists(st.tuples(st.integers(1, 9), st.sampled_from([0, 2, 4_000])), min_size=3)


@pytest.fixture(scope="module")
def two_urls(postgres_run, template_database):
    with (
        postgres.fresh_database(postgres_run, template_database) as one,
        postgres.fresh_database(postgres_run, template_database) as other,
    ):
        yield one, other


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories(), cuts=CUTS)
def test_any_batch_split_gives_the_same_rows(two_urls, history, cuts):
    """Acceptance P-3, by batches alone; `tests/kit` has the machine with all the rest."""
    asyncio.run(_compare(two_urls, history, cuts))


async def _compare(urls, history, cuts) -> None:
    async with opened(urls[0], follow=False) as whole, opened(urls[1], follow=False) as parts:
        for projection in discover():
            await _apply(whole, projection, history, [(len(history.events), 4_000)])
            await _apply(parts, projection, history, cuts)
            assert await whole.tables(projection) == await parts.tables(projection)


async def _apply(ledger, projection, history, cuts) -> None:
    await _empty(ledger, projection)
    projector = await new_projector(ledger, projection, history)
    while projector.position < len(history.events):
        for size, kept in cuts:
            batch = history.events[projector.position : projector.position + size]
            if batch:
                await projector._apply(batch)
                assert not projector.paused  # else the loop would never end
                projector.cache._capacity = kept
                projector.cache._new_run_capacity = kept // 2
                projector.cache.retain(())
    await projector._connection.close()


async def new_projector(ledger, projection, history) -> Projector:
    """A projector that stands where the read model stands, and knows the flows of a history."""
    projector = Projector(
        first(projection),
        feed=ledger.feed,
        database=ledger.database,
        flows=ledger.flows,
    )
    for event in history.events:
        if event.type == types.FLOW_REGISTERED:
            ledger.flows.add(event)
    projector._connection = await connect(ledger.url, search_path=first(projection).schema)
    await projector._read_checkpoint()
    return projector


async def _empty(ledger, projection) -> None:
    tables = ", ".join(
        f"{first(projection).schema}.{name}" for name in await ledger.tables(projection)
    )
    await ledger.pool.execute(f"truncate {tables}")
    await ledger.pool.execute(
        "update projections.checkpoints set position = 0 where name = $1", projection.name
    )
