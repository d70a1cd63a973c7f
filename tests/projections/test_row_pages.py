"""Pages of lists in which a run takes several rows or none, against the same told plainly."""

import random

import pytest

from events import types
from events.database import Database
from projections.read_models.listings import PROJECTION, read
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from projections.registry import open_read_pool
from tests import postgres
from tests.projections.conftest import filled
from tests.projections.histories import TENANT, TREE, History, fold_all, run_id, shown
from tests.projections.test_listings_as_of import ETL, HEAD, HISTORY, MODEL, RARE

BY_TASK = {"rows": "tasks"}


@pytest.fixture(scope="module")
def told_url(postgres_run, template_database):
    with postgres.fresh_database(postgres_run, template_database) as url:
        postgres.apart(filled(url, HISTORY, [PROJECTION]))
        yield url


@pytest.fixture
async def connection(told_url):
    pool = await open_read_pool(Database(told_url), max_size=1)
    async with pool.acquire() as connection:
        yield connection
    await pool.close()


def some_ranges(chance):
    bounds = sorted(chance.sample(range(1, HEAD), chance.choice([0, 1, 2, 5])))
    return [
        read.VersionRange(bound, chance.choice([0, 1, 1, 2, 3, 7, 50])) for bound in [0, *bounds]
    ]


def plainly(flow, ranges):
    """Every row of the list: the run, and which of its rows it is."""
    rows = []
    for event in MODEL.members(HEAD, lambda e: e.data["flow"] == flow):
        weight = [s.rows for s in ranges if s.position <= event.position][-1]
        rows += [(event.data["run_id"], number) for number in range(weight)]
    return rows


def expanded(page, ranges, limit):
    rows = []
    for run in page.rows:
        weight = [s.rows for s in ranges if s.position <= run["queued_position"]][-1]
        rows += [(run["run_id"], number) for number in range(weight)]
    return rows[page.skipped : page.skipped + limit]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("flow", [ETL, RARE, "example.NONE"])
async def test_row_page_is_a_slice_of_all_rows_with_their_total(connection, flow, seed):
    chance = random.Random(seed)
    ranges = some_ranges(chance)
    wanted = plainly(flow, ranges)
    starts = [0, 1, len(wanted) // 2, max(0, len(wanted) - 3), len(wanted), 2**40]
    starts += [chance.randrange(len(wanted) + 1) for _ in range(4)]
    for offset in starts:
        limit = chance.choice([0, 1, 2, 10, 100, 2000])
        page = await read.row_page(connection, TENANT, flow, ranges, offset=offset, limit=limit)
        assert page.total == len(wanted)
        assert expanded(page, ranges, limit) == wanted[offset : offset + limit]
        assert page.position == HEAD
        runs = {run for run, _ in wanted[offset : offset + limit]}
        assert {run["run_id"] for run in page.rows} == runs  # none is read for nothing


async def test_row_page_has_the_newest_run_of_the_list(connection):
    page = await read.row_page(
        connection, TENANT, ETL, [read.VersionRange(0, 0)], offset=0, limit=9
    )
    wanted = MODEL.members(HEAD, lambda e: e.data["flow"] == ETL)[0]
    assert (page.newest["run_id"], page.rows, page.total) == (wanted.data["run_id"], [], 0)


async def test_length_up_to_a_position_counts_the_runs_queued_by_then(connection):
    chance = random.Random(8)
    for _ in range(60):
        position = chance.randrange(HEAD + 1)
        queued_by = chance.randrange(position + 1)
        wanted = MODEL.members(
            position, lambda e, last=queued_by: e.data["flow"] == ETL and e.position <= last
        )
        found = await read.run_ids_as_of(
            connection, TENANT, ETL, position=position, offset=3, limit=4, queued_by=queued_by
        )
        ids = [event.data["run_id"] for event in wanted]
        assert found == (ids[3:7], len(ids))


def told_by_task():
    history = History()
    history.register(plan=TREE, definition=BY_TASK)
    history.register("example.RUNS", plan=TREE)
    history.queue()
    history.queue(2, "example.RUNS")
    history.tell(types.TASK_STARTED, task="T1", attempt=1)
    history.tell(types.TASK_FAILED, task="T1", reason="error", will_retry=True)
    history.tell(types.TASK_STARTED, task="T1", attempt=2)
    history.tell(types.TASK_SUCCEEDED, task="T1")
    history.tell(types.TASK_STARTED, task="T2", attempt=1)
    history.tell(types.TASK_STARTED, 2, task="T1", attempt=1)
    return history


def test_row_has_the_tasks_if_the_flow_is_listed_by_task():
    tasks = shown(PROJECTION, told_by_task())["task_rows"]
    assert [(task["path"], task["status"]) for task in tasks] == [
        ("T1", "succeeded"),
        ("T2", "running"),
        ("T3", "pending"),
    ]
    assert tasks[0]["started_us"] < tasks[1]["started_us"]
    assert [task["ended_us"] is None for task in tasks] == [False, True, True]


def test_tasks_of_a_row_equal_those_of_the_whole_run():
    history = told_by_task()
    carried = [{"task": "T1", "status": "succeeded", "run_id": run_id(1)}]
    history.queue(3, carried=carried)
    history.tell(types.TASK_STARTED, 3, task="T2", attempt=1)
    for number in (1, 3):
        rows = shown(PROJECTION, history, number)["task_rows"]
        tasks = shown(WORKFLOWS, history, number)["tasks"]
        assert rows == [{name: task[name] for name in rows[0]} for task in tasks]
    assert rows[0]["status"] == "succeeded"


def test_row_of_any_other_flow_has_no_tasks():
    assert "task_rows" not in shown(PROJECTION, told_by_task(), 2)


def test_hook_is_not_among_the_tasks_of_a_row():
    history = History()
    history.register(definition=BY_TASK)
    history.queue()
    history.tell(types.TASK_SKIPPED, task="OK")
    assert [task["path"] for task in shown(PROJECTION, history)["task_rows"]] == ["A", "B"]


def test_tasks_are_deserialized_from_their_row():
    history = told_by_task()
    whole = fold_all(PROJECTION, history.events, history)
    key = ("run", TENANT, run_id(1))
    states = fold_all(PROJECTION, history.events[:6], history)
    columns = PROJECTION.columns(states, [key])
    row = {"kind": "run", "document": columns[10][0], "ordinal": 0, "flow_ordinal": 0}
    states[key] = PROJECTION.deserialize({**row, "unlisted_position": None})
    for event in history.events[6:]:
        if event.stream == history.events[2].stream:
            PROJECTION.fold(states, event, history)
    assert PROJECTION.document(states[key]) == PROJECTION.document(whole[key])


async def test_row_page_has_no_other_tenants_runs(connection):
    page = await read.row_page(
        connection, "else", RARE, [read.VersionRange(0, 2)], offset=0, limit=9
    )
    assert (page.rows, page.total, page.newest) == ([], 0, None)
