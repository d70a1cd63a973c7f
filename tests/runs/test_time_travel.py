"""As of any position, every read is the fold of the log up to there."""

import dataclasses
import random
from copy import copy

import pytest

from events.envelope import Position
from projections.read_models.executions import PROJECTION as EXECUTIONS
from projections.read_models.listings import PROJECTION as LISTINGS
from projections.read_models.load_plans import PROJECTION as LOAD_PLANS
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from service.errors import UnknownRun
from service.runs.read.query_api import RunFilter
from service.runtime import ProcessRole
from tests import postgres
from tests.projections.conftest import filled
from tests.projections.histories import TENANT, TREE, History, fold_all, run_id
from tests.runs.test_queries import opened

POSITIONS = 200
RUNS = 60


def told() -> History:
    """Runs of two flows that go on beside each other, end in every way, and leave the lists."""
    history, chance = History(), random.Random(11)
    history.register("example.ETL", number=7)
    history.register("example.PLAN", TREE, number=8)
    going: list[int] = []
    for number in range(1, RUNS + 1):
        history.queue(number, ("example.ETL", "example.PLAN")[number % 2])
        going.append(number)
        if number == RUNS // 2:
            history.register("example.ETL", number=7, version=2)
        for _ in range(3):
            _go_on(history, chance, going)
    return history


def _go_on(history, chance, going) -> None:
    number = chance.choice(going)
    task = ("A", "T1")[number % 2]
    kind, data = chance.choice(
        [
            ("RunStarted", {}),
            ("TaskStarted", {"task": task, "attempt": 1}),
            ("TaskSucceeded", {"task": task, "metrics": {"rows": number}}),
            ("TaskFailed", {"task": task, "exception": "no", "will_retry": False}),
            ("RunSucceeded", {}),
            ("RunFailed", {"exception": "no"}),
            ("RunUnlisted", {}),
            ("ReportRefused", {}),
        ]
    )
    history.tell(kind, number, **data)
    if kind == "RunUnlisted":
        going.remove(number)
        going.append(number) if not going else None


HISTORY = told()
HEAD = len(HISTORY.events)


class Prefix:
    """The fold of the first events of the history, each read model from nothing."""

    def __init__(self, position):
        self.events = HISTORY.events[:position]

    def states(self, projection):
        return fold_all(projection, self.events, HISTORY)

    def run(self, projection, number):
        state = self.states(projection).get(("run", TENANT, run_id(number)))
        return None if state is None else projection.document(state)

    def listed(self, fullname=None):
        places = [state for key, state in self.states(LISTINGS).items() if key[0] == "run"]
        live = [place for place in places if place.unlisted_position is None]
        rows = [LISTINGS.document(place) for place in sorted(live, key=lambda p: -p.ordinal)]
        return [row for row in rows if fullname in (None, row["fullname"])]


@pytest.fixture(scope="module")
def told_url(postgres_run, template_database):
    with postgres.fresh_database(postgres_run, template_database) as url:
        postgres.apart(filled(url, HISTORY))
        yield url


@pytest.fixture
async def queries(told_url):
    async with opened(told_url, ProcessRole.API, ProcessRole.PROJECT) as process:
        yield process.queries


def sample():
    return sorted({0, 1, HEAD, *random.Random(5).sample(range(HEAD + 1), min(POSITIONS, HEAD))})


def timeless(document):
    """What does not hang on the database's clock, by which the history was recorded anew."""
    if isinstance(document, dict):
        return {k: timeless(v) for k, v in document.items() if not k.endswith("_us")}
    return [timeless(each) for each in document] if isinstance(document, list) else document


async def read_or_none(work):
    try:
        return timeless(await work)
    except UnknownRun:
        return None


async def test_run_workflow_and_load_plan_as_of_a_position_are_the_fold_up_to_it(queries):
    chance = random.Random(6)
    for position in sample():
        past, prefix = queries.as_of(Position(position), 0), Prefix(position)
        number = chance.randint(1, RUNS)
        for projection, read in (
            (EXECUTIONS, past.execution(TENANT, run_id(number))),
            (EXECUTIONS, past.execution_by_number(TENANT, number)),
            (WORKFLOWS, past.workflow(TENANT, run_id(number))),
            (LOAD_PLANS, past.load_plan(TENANT, number)),
        ):
            wanted = timeless(prefix.run(projection, number))
            assert await read_or_none(read) == wanted, (position, projection.name)


async def test_list_as_of_a_position_is_the_fold_up_to_it(queries):
    chance = random.Random(8)
    for position in sample():
        past, prefix = queries.as_of(Position(position), 0), Prefix(position)
        fullname = chance.choice([None, "example.ETL", "example.PLAN"])
        wanted = timeless(prefix.listed(fullname))
        offset = chance.randint(0, len(wanted))
        page = await past.page(TENANT, fullname, offset, 10)
        assert (page.total, page.position) == (len(wanted), position)
        assert timeless(page.rows) == wanted[offset : offset + 10]
        found = await past.scan(TENANT, RunFilter(fullname=fullname), before=None, limit=15)
        assert timeless(found.rows) == wanted[:15]


async def test_latest_run_and_flows_as_of_a_position_are_the_fold_up_to_it(queries):
    for position in sample():
        past, prefix = queries.as_of(Position(position), 0), Prefix(position)
        runs = [s for key, s in prefix.states(EXECUTIONS).items() if s["fullname"] == "example.ETL"]
        latest = max(runs, key=lambda run: run["queued_position"], default=None)
        assert await read_or_none(past.latest_execution(TENANT, 7)) == timeless(latest)
        states = prefix.states(WORKFLOWS)
        flows = [states[key] for key in sorted(states) if key[0] == "flow"]
        assert timeless((await past.flows(TENANT)).rows) == timeless(flows)


async def test_reads_as_of_a_position_never_change(queries):
    past = queries.as_of(Position(HEAD // 2), 0)
    first = await past.page(TENANT, None, 0, 20)
    assert await past.page(TENANT, None, 0, 20) == first


async def test_pages_and_flows_as_of_a_position_leave_out_skipped_events(queries):
    skipped = {
        event.position
        for event in HISTORY.events
        if event.type in ("RunStarted", "RunFailed") or event.data.get("version") == 2
    }

    async def named(_name):
        return skipped

    past = queries.as_of(Position(HEAD), 0)
    past = dataclasses.replace(past, positions=copy(past.positions))
    past.positions.skipped = named
    prefix = Prefix(HEAD)
    prefix.events = [event for event in HISTORY.events if event.position not in skipped]
    page = await past.page(TENANT, None, 0, RUNS)
    assert timeless(page.rows) == timeless(prefix.listed())
    assert page.rows != (await queries.as_of(Position(HEAD), 0).page(TENANT, None, 0, RUNS)).rows
    flows = [state for key, state in prefix.states(WORKFLOWS).items() if key[0] == "flow"]
    assert timeless((await past.flows(TENANT)).rows) == timeless(flows)
