"""Every read finds its rows by an index, and a deep page costs what the first one costs."""

import json
from itertools import chain

import pytest

from events import types
from events.database import Database, connect, load
from projections.live.projector import Projector
from projections.registry import discover, open_read_pool
from tests import postgres
from tests.projections.conftest import first, opened
from tests.projections.histories import ONE, TENANT, History, run_id

RUNS = 12_000
TABLES = {
    "executions": {"executions"},
    "workflows": {"workflows", "flows"},
    "listings": {"listings", "lists", "blocks"},
    "load_plans": {"load_plans"},
    "dispatch": {"dispatch"},
}
NEWEST = 2**63 - 1
READS = {
    ("executions", "by_run_ids"): ([TENANT] * 3, [run_id(1), run_id(9), "none"]),
    ("executions", "by_run_numbers"): ([TENANT] * 3, [1, 9, 0]),
    ("executions", "latest"): ([TENANT] * 2, [7, 8]),
    ("workflows", "by_run_ids"): ([TENANT] * 3, [run_id(1), run_id(9), "none"]),
    ("workflows", "flows"): (TENANT,),
    ("load_plans", "by_run_ids"): ([TENANT] * 3, [run_id(1), run_id(9), "none"]),
    ("load_plans", "by_run_numbers"): ([TENANT] * 3, [1, 9, 0]),
    ("listings", "page_of_tenant"): (TENANT, 5000, 20),
    ("listings", "page_of_flow"): (TENANT, "example.IN", 2000, 20),
    ("listings", "list_before_by_tenant"): (TENANT, None, None, None, 1, NEWEST, 9000, 20),
    ("listings", "list_before_by_flow"): (TENANT, "example.IN", None, None, 1, NEWEST, 9000, 20),
    ("listings", "list_before_by_status"): (TENANT, None, "failed", None, 1, NEWEST, 9000, 20),
    ("listings", "list_before_by_starter"): (TENANT, None, None, "ann", 1, NEWEST, 9000, 20),
    ("executions", "latest_as_of"): (TENANT, 7, 9000),
    ("listings", "run_ids_of_tenant_as_of"): (TENANT, 9000, 5000, 20),
    ("listings", "run_ids_of_flow_as_of"): (TENANT, "example.IN", 9000, 2000, 20, 9000),
    ("listings", "row_page"): (TENANT, "example.IN", [0], [3], 9000, 20),
    ("listings", "newest"): (TENANT, ["example.IN", "example.OUT", "example.NONE"]),
    ("listings", "newest_as_of"): (TENANT, ["example.IN"], 9000),
    ("listings", "left_since"): (TENANT, 9000, None, None, 1, NEWEST, 9000, 20),
    ("listings", "expired"): ([TENANT] * 2, ["example.IN", "example.OUT"], [4000, 10], 20),
    ("dispatch", "waiting"): (20,),
    ("dispatch", "claimed"): (20,),
    ("dispatch", "overdue"): (20,),
}


@pytest.fixture(scope="module")
def filled_url(postgres_run, template_database):
    """12,000 runs of two flows in every read model, analysed."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        postgres.apart(_fill(url))
        yield url


async def _fill(url: str) -> None:
    history = History()
    history.register("example.IN", ONE, number=7, timeout_s=60)
    history.register("example.OUT", ONE, number=8, executor="external", timeout_s=60)
    for number in range(1, RUNS + 1):
        flow = ("example.IN", "example.OUT")[number % 2]
        history.queue(number, flow, started_by="ann" if number % 50 == 0 else "ops")
    for number in range(1, RUNS + 1, 100):
        history.tell(types.RUN_CLAIMED, number, worker=f"w-{number % 7}", epoch=1)
        history.tell(types.RUN_FAILED, number + 1, reason="error")
    async with opened(url, follow=False) as ledger:
        for event in history.events[:2]:
            ledger.flows.add(event)
        for projection in discover():
            await _apply(ledger, projection, history.events)
        await ledger.pool.execute("analyze")


async def _apply(ledger, projection, events) -> None:
    projector = Projector(
        first(projection),
        feed=ledger.feed,
        database=ledger.database,
        flows=ledger.flows,
    )
    projector._connection = await connect(ledger.url, search_path=first(projection).schema)
    await projector._read_checkpoint()
    for start in range(0, len(events), 2000):
        await projector._apply(events[start : start + 2000])
    assert projector.position == len(events)
    await projector._connection.close()


@pytest.fixture
async def connection(filled_url):
    pool = await open_read_pool(Database(filled_url), max_size=1)
    async with pool.acquire() as connection:
        yield connection
    await pool.close()


def statements():
    """The name of every statement that serves a read: each file that is not the engine's."""
    for projection in discover():
        for file in sorted(projection.folder.glob("*.sql")):
            engines = file.stem.startswith(("create", "index", "finish"))
            if not engines and file.stem not in {"load", "store"}:
                yield projection.name, file.stem


def test_every_read_has_a_plan_test():
    assert set(READS) == set(statements())


async def explain(connection, statement, parameters):
    rows = await connection.fetchval(
        f"explain (analyze, buffers, format json) {statement}", *parameters
    )
    return json.loads(rows)[0]["Plan"]


def nodes(plan):
    return chain([plan], *(nodes(child) for child in plan.get("Plans", [])))


def blocks(plan) -> int:
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.mark.parametrize(("name", "read"), sorted(READS))
async def test_query_scans_no_table(connection, name, read):
    statement = load(_folder(name), read)
    plan = await explain(connection, statement, READS[name, read])

    scanned = [n["Relation Name"] for n in nodes(plan) if n["Node Type"] == "Seq Scan"]
    assert not TABLES[name].intersection(scanned)
    assert blocks(plan) < 250


@pytest.mark.parametrize("name", sorted(TABLES))
async def test_loading_the_states_of_a_batch_scans_no_table(connection, name):
    kinds, names = ["run", "flow", "list"], [run_id(5), "example.IN", ""]
    plan = await explain(connection, load(_folder(name), "load"), (kinds, [TENANT] * 3, names))

    scanned = [n["Relation Name"] for n in nodes(plan) if n["Node Type"] == "Seq Scan"]
    assert not TABLES[name].intersection(scanned)


@pytest.mark.parametrize("read", ["page_of_tenant", "page_of_flow"])
async def test_deep_page_costs_as_much_as_the_first(connection, read):
    statement = load(_folder("listings"), read)
    which = (TENANT,) if read == "page_of_tenant" else (TENANT, "example.IN")
    length = RUNS if read == "page_of_tenant" else RUNS // 2
    pages = [
        await explain(connection, statement, (*which, offset, 2)) for offset in (0, length - 2)
    ]

    assert [_rows(page, "listings") for page in pages] == [2, 2]
    assert blocks(pages[1]) <= blocks(pages[0]) + 2
    assert _rows(pages[1], "blocks") == length // 1000


async def test_deep_page_costs_no_more_after_half_the_runs_have_left(filled_url, connection):
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("update listings set unlisted_position = 1 where ordinal % 2 = 0")
    await connection.execute("update blocks set live = 500 where list = ''")
    statement = load(_folder("listings"), "page_of_tenant")
    page = await explain(connection, statement, (TENANT, RUNS // 2 - 2, 2))
    await transaction.rollback()

    assert _rows(page, "listings") <= 502


@pytest.mark.parametrize("read", ["run_ids_of_tenant_as_of", "run_ids_of_flow_as_of"])
async def test_page_as_of_a_position_reads_at_most_one_block_at_any_depth(connection, read):
    statement = load(_folder("listings"), read)
    which = (TENANT,) if read == "run_ids_of_tenant_as_of" else (TENANT, "example.IN")
    for position in (RUNS, 5000, 100):
        length = position - 2 if read == "run_ids_of_tenant_as_of" else position // 2 - 1
        for offset in (0, length - 2):
            asked = (*which, position, offset, 2, *([position] if len(which) > 1 else []))
            page = await explain(connection, statement, asked)
            assert _rows(page, "listings") <= 1010, (position, offset)
            assert blocks(page) < 400, (position, offset)


async def test_row_page_reads_one_more_block_for_each_version_range(connection):
    statement = load(_folder("listings"), "row_page")
    for offset in (0, 9000, 11_900):
        asked = (TENANT, "example.IN", [0, 3000, 9000], [2, 0, 3], offset, 20)
        page = await explain(connection, statement, asked)
        assert _rows(page, "listings") <= 2050, offset
        assert blocks(page) < 800, offset


async def test_page_as_of_a_position_reads_no_runs_that_had_left_before(filled_url, connection):
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("update listings set unlisted_position = 12100 where ordinal < 9000")
    await connection.execute("update listings set unlisted_position = 12200 where ordinal = 9005")
    await connection.execute("update blocks set live = 0 where list = '' and block < 9")
    await connection.execute("update blocks set live = 999 where list = '' and block = 9")
    statement = load(_folder("listings"), "run_ids_of_tenant_as_of")
    page = await explain(connection, statement, (TENANT, 12150, 2998, 2))
    await transaction.rollback()

    assert _rows(page, "listings") <= 2010


@pytest.mark.parametrize("read", sorted(name for model, name in READS if "list_before" in name))
async def test_time_window_far_back_is_found_by_its_blocks(connection, read):
    created = await connection.fetch("select created_us from listings order by queued_position")
    _, *filters, _, _, _, _ = READS["listings", read]
    window = (created[0]["created_us"], created[1500]["created_us"])
    statement = load(_folder("listings"), read)
    plan = await explain(connection, statement, (TENANT, *filters, *window, NEWEST, 20))

    assert _rows(plan, "listings") <= 1020


def _rows(plan, table) -> int:
    """Rows of a table that a plan has looked at."""
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes(plan)
        if node.get("Relation Name") == table
    )


def _folder(name):
    return next(projection.folder for projection in discover() if projection.name == name)
