"""Lists as they were at any position, also where runs have left them since."""

import random

import pytest

from events import types
from events.database import Database
from projections.read_models.executions import PROJECTION as EXECUTIONS
from projections.read_models.executions import read as executions
from projections.read_models.listings import PROJECTION, read
from projections.registry import open_read_pool
from tests import postgres
from tests.projections.conftest import filled
from tests.projections.histories import ONE, TENANT, History

ETL, PLAN, RARE = "example.ETL", "example.PLAN", "example.RARE"
RUNS = 3_200
STARTERS = ("ops", "ann")


def told() -> History:
    """3,200 runs of three flows and another tenant's between; 1,500 leave while others come."""
    history, chance = History(), random.Random(7)
    for number, flow in enumerate((ETL, PLAN, RARE), 7):
        history.register(flow, ONE, number=number)
    history.register(ETL, ONE, tenant="else")
    listed = []
    for number in range(1, RUNS + 1):
        flow = RARE if number % 400 == 0 else (ETL, PLAN)[number % 2]
        history.queue(number, flow, started_by=STARTERS[number % 10 == 0])
        listed.append(number)
        if number % 50 == 0:
            history.queue(RUNS + number, ETL, tenant="else")
        if number % 2 == 0 and number > 100:
            # The oldest leave first, as a retention has them leave, and now and then any other.
            leaver = listed.pop(0 if chance.random() < 0.7 else chance.randrange(len(listed)))
            history.tell(types.RUN_UNLISTED, leaver)
    return history


class Model:
    """The same told plainly: each run's way into its lists and out of them."""

    def __init__(self, history):
        self.runs = []
        left = {e.stream: e.position for e in history.events if e.type == types.RUN_UNLISTED}
        for event in history.events:
            if event.type == types.RUN_QUEUED:
                self.runs.append((event, left.get(event.stream)))

    def members(self, position, keep=lambda event: True, tenant=TENANT):
        """The runs in a list at a position, newest first."""
        return [
            event
            for event, left in reversed(self.runs)
            if event.tenant == tenant
            and event.position <= position
            and (left is None or left > position)
            and keep(event)
        ]


def ids(events):
    return [event.data["run_id"] for event in events]


HISTORY = told()
MODEL = Model(HISTORY)
HEAD = len(HISTORY.events)
POSITIONS = [0, 1, 5, 6, HEAD - 1, HEAD, *random.Random(3).sample(range(7, HEAD), 50)]


@pytest.fixture(scope="module")
def told_url(postgres_run, template_database):
    with postgres.fresh_database(postgres_run, template_database) as url:
        postgres.apart(filled(url, HISTORY, [PROJECTION, EXECUTIONS]))
        yield url


@pytest.fixture
async def connection(told_url):
    pool = await open_read_pool(Database(told_url), max_size=1)
    async with pool.acquire() as connection:
        yield connection
    await pool.close()


@pytest.mark.parametrize("flow", [None, ETL, RARE, "example.NONE"])
async def test_page_as_of_a_position_equals_the_page_then(connection, flow):
    for position in POSITIONS:
        wanted = MODEL.members(position, lambda e: flow in (None, e.data["flow"]))
        deep = max(0, len(wanted) - 7)
        for offset, limit in [(0, 5), (0, 0), (deep, 20), (deep // 2, 30), (len(wanted), 5)]:
            found = await read.run_ids_as_of(
                connection, TENANT, flow, position=position, offset=offset, limit=limit
            )
            assert found == (ids(wanted[offset : offset + limit]), len(wanted)), position


@pytest.mark.parametrize("flow", [None, ETL])
async def test_pages_as_of_a_position_make_the_whole_list(connection, flow):
    wanted = ids(MODEL.members(HEAD // 2, lambda e: flow in (None, e.data["flow"])))
    found = []
    for offset in range(0, len(wanted) + 100, 100):
        page = await read.run_ids_as_of(
            connection, TENANT, flow, position=HEAD // 2, offset=offset, limit=100
        )
        found += page.run_ids
    assert found == wanted


async def test_list_as_of_a_position_has_no_other_tenants_runs(connection):
    for position in POSITIONS:
        wanted = ids(MODEL.members(position, tenant="else"))
        found = await read.run_ids_as_of(
            connection, "else", None, position=position, offset=0, limit=1000
        )
        assert found == (wanted, len(wanted))


@pytest.mark.parametrize("flow", [None, ETL, RARE])
@pytest.mark.parametrize("starter", [None, "ann"])
@pytest.mark.parametrize("window", [False, True])
async def test_filtered_list_as_of_a_position_equals_the_list_then(
    connection, flow, starter, window
):
    rows = await connection.fetch("select created_us, run_id from listings")
    created = {row["run_id"]: row["created_us"] for row in rows}
    times = sorted(created.values())
    bounds = (times[len(times) // 5], times[-len(times) // 5]) if window else (None, None)

    def keep(event):
        at = created[event.data["run_id"]]
        return (
            flow in (None, event.data["flow"])
            and starter in (None, event.data["started_by"])
            and (not window or bounds[0] <= at < bounds[1])
        )

    for position in POSITIONS[::3]:
        wanted = MODEL.members(position, keep)
        middle = wanted[len(wanted) // 2].position if wanted else 3
        for before in (None, middle):
            found = await read.list_before_as_of(
                connection,
                TENANT,
                position=position,
                fullname=flow,
                started_by=starter,
                from_us=bounds[0],
                to_us=bounds[1],
                before=before,
                limit=25,
            )
            rest = [e for e in wanted if before is None or e.position < before]
            assert found == ids(rest[:25]), (position, before)


async def test_latest_run_as_of_a_position_is_the_last_one_queued_by_then(connection):
    for position in POSITIONS:
        for number, flow in enumerate((ETL, PLAN, RARE), 7):
            queued = [e for e, _ in MODEL.runs if e.data["flow"] == flow and e.tenant == TENANT]
            wanted = [e.data["run_id"] for e in queued if e.position <= position]
            found = await executions.latest_as_of(connection, TENANT, number, position)
            assert found == (wanted[-1] if wanted else None)


async def test_newest_runs_as_of_a_position_are_the_first_of_their_lists(connection):
    flows = [ETL, "example.NONE", RARE, PLAN]
    for position in [*POSITIONS, HEAD]:
        lists = [MODEL.members(position, lambda e, f=flow: e.data["flow"] == f) for flow in flows]
        wanted = [ids(members)[0] for members in lists if members]
        assert await read.newest_as_of(connection, TENANT, flows, position) == wanted, position
    found = await read.newest(connection, TENANT, flows)
    assert [row["run_id"] for row in found.rows] == wanted
    assert found.position == HEAD


async def test_newest_runs_of_no_flows_are_none(connection):
    found = await read.newest(connection, TENANT, [])
    assert (found.rows, found.position) == ([], HEAD)
    assert await read.newest_as_of(connection, TENANT, [], HEAD) == []


async def test_run_that_leaves_between_the_two_queries_is_not_missed(told_url, monkeypatch):
    pool = await open_read_pool(Database(told_url), max_size=2)
    list_before = read.list_before
    wanted = ids(MODEL.members(HEAD))[:10]

    async def then_leave(connection, *args, **filters):
        found = await list_before(connection, *args, **filters)
        await connection.execute(
            "update listings set unlisted_position = $1 where run_id = $2", HEAD + 1, wanted[3]
        )
        return found

    monkeypatch.setattr(read, "list_before", then_leave)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        found = await read.list_before_as_of(connection, TENANT, position=HEAD, limit=10)
        await transaction.rollback()
    await pool.close()
    assert found == wanted
