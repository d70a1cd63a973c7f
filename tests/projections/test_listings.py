"""A run's places, and the lists: pages, counts, filters, also after runs have left."""

import random

import pytest

from events import types
from events.database import Database
from projections.read_models.executions import PROJECTION as EXECUTIONS
from projections.read_models.listings import PROJECTION, read
from projections.read_models.listings.apply import Issued
from projections.registry import open_read_pool
from tests import postgres
from tests.projections.conftest import filled
from tests.projections.histories import ONE, TENANT, History, fold_all, run_id, shown

ETL, PLAN = "example.ETL", "example.PLAN"


def test_row_has_no_metrics_and_no_traceback():
    history = History()
    history.register()
    history.queue()
    history.tell(types.TASK_OUTPUT_RECORDED, task="A", metrics={"rows": 1}, warnings=["w"])
    history.tell(types.TASK_FAILED, task="A", reason="error", exception="no", traceback="at 1")
    facts = shown(EXECUTIONS, history)
    del facts["metrics"]

    assert shown(PROJECTION, history) == facts | {"error": facts["error"] | {"traceback": None}}


def test_ordinals_are_issued_once_per_list_in_queueing_order():
    history = History()
    history.register(ETL)
    history.register(PLAN)
    history.queue(1, ETL)
    history.queue(2, PLAN)
    history.tell(types.RUN_UNLISTED, 2)
    history.queue(3, PLAN)

    states = fold_all(PROJECTION, history.events, history)

    places = [states["run", TENANT, run_id(n)] for n in (1, 2, 3)]
    assert [(p.ordinal, p.flow_ordinal) for p in places] == [(0, 0), (1, 0), (2, 1)]
    assert [p.unlisted_position for p in places] == [None, 5, None]
    assert [states["list", TENANT, name] for name in ("", ETL, PLAN)] == [
        Issued(3),
        Issued(1),
        Issued(2),
    ]


RUNS = 2_500
LEFT = sorted(random.Random(5).sample(range(1, RUNS + 1), 700))


def told() -> History:
    """2,500 runs of two flows in turn; 700 have left the list, some succeeded, some failed."""
    history = History()
    history.register(ETL, ONE)
    history.register(PLAN, ONE)
    for number in range(1, RUNS + 1):
        history.queue(
            number, (ETL, PLAN)[number % 2], started_by="ann" if number % 10 == 0 else "ops"
        )
    for number in LEFT:
        history.tell(types.RUN_UNLISTED, number)
    for number in range(1, RUNS + 1, 5):
        history.tell(types.RUN_SUCCEEDED if number % 2 else types.RUN_FAILED, number)
    return history


@pytest.fixture(scope="module")
def told_url(postgres_run, template_database):
    """A database in which this has happened."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        postgres.apart(filled(url, told(), [PROJECTION]))
        yield url


@pytest.fixture
async def connection(told_url):
    pool = await open_read_pool(Database(told_url), max_size=1)
    async with pool.acquire() as connection:
        yield connection
    await pool.close()


def listed(keep=lambda number: True):
    return [n for n in range(RUNS, 0, -1) if n not in set(LEFT) and keep(n)]


def numbers(rows):
    return [row["run_number"] for row in rows]


async def test_every_page_of_every_list_has_the_runs_still_listed(connection):
    expected = {
        None: listed(),
        ETL: listed(lambda n: n % 2 == 0),
        PLAN: listed(lambda n: n % 2 == 1),
        "example.NONE": [],
    }
    for name, members in expected.items():
        for offset in (0, 1, 99, 700, 999, 1000, 1001, len(members) - 1, len(members), 10**12):
            page = await read.page(connection, TENANT, name, max(offset, 0), 30)
            start = max(offset, 0)
            assert numbers(page.rows) == members[start : start + 30]
            assert page.total == len(members)


async def test_empty_page_has_the_lists_length(connection):
    page = await read.page(connection, TENANT, None, 0, 0)

    assert (page.rows, page.total) == ([], RUNS - len(LEFT))


async def test_tenant_sees_only_its_own_lists(connection):
    page = await read.page(connection, "other", None, 0, 10)
    scan = await read.list_before(connection, "other", limit=10)

    assert (page.rows, page.total, scan.rows) == ([], 0, [])


FILTERS = [
    ({}, lambda n: True),
    ({"fullname": ETL}, lambda n: n % 2 == 0),
    ({"status": "failed"}, lambda n: n % 10 == 6),
    ({"status": "succeeded"}, lambda n: n % 10 == 1),
    ({"status": "queued", "fullname": PLAN}, lambda n: n % 2 == 1 and n % 5 != 1),
    ({"status": "succeeded", "fullname": PLAN}, lambda n: n % 10 == 1),
    ({"started_by": "ann"}, lambda n: n % 10 == 0),
    ({"started_by": "ann", "fullname": PLAN}, lambda n: False),
    ({"started_by": "ops", "status": "failed"}, lambda n: n % 10 == 6),
]


@pytest.mark.parametrize(("wanted", "keep"), FILTERS)
async def test_filtered_list_is_paged_to_its_end(connection, wanted, keep):
    found, before = [], None
    while True:
        rows = (await read.list_before(connection, TENANT, **wanted, before=before, limit=170)).rows
        found += rows
        if len(rows) < 170:
            break
        before = rows[-1]["queued_position"]

    assert numbers(found) == listed(keep)


@pytest.mark.parametrize(("wanted", "keep"), FILTERS)
async def test_time_window_includes_its_start_and_not_its_end(connection, wanted, keep):
    everything = (await read.list_before(connection, TENANT, limit=RUNS)).rows
    created = {row["run_number"]: row["created_us"] for row in everything}
    from_us, to_us = created[listed()[1500]], created[listed()[400]]
    rows = (
        await read.list_before(
            connection, TENANT, **wanted, from_us=from_us, to_us=to_us, limit=RUNS
        )
    ).rows

    assert numbers(rows) == [n for n in listed(keep) if from_us <= created[n] < to_us]


async def test_cursor_without_a_run_continues_below_it(connection):
    rows = (await read.list_before(connection, TENANT, fullname=ETL, before=1000, limit=3)).rows

    # Positions 1 and 2 register the flows; run n is queued at n + 2.
    assert numbers(rows) == [n for n in listed(lambda n: n % 2 == 0) if n + 2 < 1000][:3]
