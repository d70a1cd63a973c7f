"""The query of the audit trail: its filters, its pages, and the index it goes by."""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from events.codec import encode
from events.database import connect, connect_pool, load
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.store import Log
from service.runs.read import audit_query
from service.runs.read.audit_query import AuditFilter, read_audit_page
from tests.events.builders import request

SQL = Path(audit_query.__file__).parents[1] / "sql"
ALL = AuditFilter()


def one(tenant, stream, type_, body):
    event = NewEvent(str(uuid4()), type_, encode(body), f"{tenant}'s")
    return AppendRequest(tenant, (StreamAppend(stream, ExpectedVersion.ANY, (event,)),))


STORY = (
    ("t", "flows", "FlowRegistered", {"fullname": "a.ONE"}),
    ("*", "administration", "KeyCreated", {"tenant": "t", "name": "k"}),
    ("*", "administration", "KeyCreated", {"tenant": "u", "name": "k"}),
    ("*", "administration", "RebuildStarted", {}),
    ("t", "run:1", "RunQueued", {"flow": "a.ONE", "payload": {"flow": "a.TWO"}}),
    ("t", "slot:a.ONE", "SlotTaken", {"run_id": "1"}),
    ("u", "run:1", "RunQueued", {"flow": "a.TWO"}),
    ("t", "run:1", "RunFailed", {"flow": "a.TWO"}),
    ("u", "run:1", "RunFailed", {}),
    ("t", "run:2", "RunQueued", {"flow": "a.TWO"}),
)
FLOWS = ["a.ONE", None, None, None, "a.ONE", "a.ONE", "a.TWO", "a.ONE", "a.TWO", "a.TWO"]


@pytest.fixture
async def pool(database_url):
    pool = await connect_pool(database_url, max_size=2)
    yield pool
    await pool.close()


@pytest.fixture
def log(pool):
    return Log(pool)


@pytest.fixture
async def app(database_url):
    connection = await connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def owner(database_url):
    connection = await connect(database_url, role=None)
    yield connection
    await connection.close()


@pytest.fixture
async def story(log, pool):
    """The story, one event a position; gives the pool to read it by."""
    await log.append([one(*event) for event in STORY])
    return pool


async def positions(pool, wanted=ALL, *, after=0, before=100, limit=100):
    found, next_before = await read_audit_page(pool, after, before, limit, wanted)
    return [event.position for event, _ in found], next_before


async def test_each_event_has_the_flow_that_it_is_about(story):
    found, _ = await read_audit_page(story, 0, 100, 100, ALL)
    assert [flow for _, flow in reversed(found)] == FLOWS
    assert [event.position for event, _ in found] == list(range(10, 0, -1))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AuditFilter(tenant="t"), [10, 8, 6, 5, 2, 1]),
        (AuditFilter(tenant="u"), [9, 7, 3]),
        (AuditFilter(tenant="nobody"), []),
        (AuditFilter(actor="t's"), [10, 8, 6, 5, 1]),
        (AuditFilter(types=["RunFailed", "SlotTaken"]), [9, 8, 6]),
        (AuditFilter(types=[]), []),
        (AuditFilter(flow="a.ONE"), [8, 6, 5, 1]),
        (AuditFilter(flow="a.TWO"), [10, 9, 7]),
        (AuditFilter(tenant="t", flow="a.TWO"), [10]),
        (AuditFilter(tenant="t", actor="t's", types=["RunFailed"], flow="a.ONE"), [8]),
    ],
)
async def test_each_filter_selects_its_events(story, wanted, expected):
    assert await positions(story, wanted) == (expected, None)


async def test_range_excludes_both_bounds(story):
    assert await positions(story, after=3, before=6) == ([5, 4], None)
    assert await positions(story, after=5, before=6) == ([], None)
    assert await positions(story, after=9, before=4) == ([], None)


async def test_page_after_a_full_one_begins_before_its_last_event(story):
    assert await positions(story, limit=4) == ([10, 9, 8, 7], 7)
    assert await positions(story, before=7, limit=4) == ([6, 5, 4, 3], 3)
    assert await positions(story, before=3, limit=2) == ([2, 1], None)


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("scan", [1, 2, 7, 100])
async def test_pages_of_any_size_return_each_event_once(story, monkeypatch, scan, limit):
    for wanted in (
        ALL,
        AuditFilter(tenant="t"),
        AuditFilter(flow="a.TWO"),
        AuditFilter(types=["KeyCreated"]),
    ):
        whole, _ = await positions(story, wanted)
        monkeypatch.setattr(audit_query, "MAX_SCAN", scan)
        found, before = [], 11
        while before is not None:
            page, following = await positions(story, wanted, before=before, limit=limit)
            assert following is None or following < before
            found += page
            before = following
        monkeypatch.undo()
        assert found == whole


VALUES = ["bigint", "bigint", "text", "text", "text[]", "text", "bigint"]


async def plan(connection, values):
    await connection.execute("set plan_cache_mode = force_generic_plan")
    await connection.execute(
        f"prepare statement ({', '.join(VALUES)}) as {load(SQL, 'audit_page')}"
    )
    rows = await connection.fetch(f"explain (analyze, timing off) execute statement({values})")
    return "\n".join(row[0] for row in rows)


def scanned_whole(found):
    scans = [line for line in found.split("\n") if "Seq Scan" in line]
    return [scan for scan in scans if "never executed" not in scan]


@pytest.mark.parametrize("analysed", [True, False], ids=["analysed", "never analysed"])
async def test_page_uses_the_index_and_reads_few_rows(log, app, owner, analysed):
    for first in range(0, 6000, 500):
        await log.append([request(f"s{n % 1000}") for n in range(first, first + 500)])
    if analysed:
        await owner.execute("analyze log.events, log.streams")
    found = await plan(app, "900, 2900, 't', 'somebody', '{RunStarted,RunFailed}', null, 100")
    assert scanned_whole(found) == []
    assert re.search(r"Rows Removed by Filter: \d{3}", found) is None
    assert max(int(rows) for rows in re.findall(r"actual rows=(\d+)", found)) <= 100


@pytest.mark.parametrize("analysed", [True, False], ids=["analysed", "never analysed"])
async def test_flow_filter_uses_the_index_of_one_partition(log, app, owner, analysed):
    for first in range(0, 1000, 500):
        runs = range(first, first + 500)
        await log.append([one("t", f"run:{n}", "RunQueued", {"flow": f"a.{n}"}) for n in runs])
    if analysed:
        await owner.execute("analyze log.events, log.streams")
    found = await plan(app, "0, 1001, null, null, null, 'a.7', 100")
    assert scanned_whole(found) == []
    looked = [line for line in found.split("\n") if re.search(r"on events_\d+ q", line)]
    assert len([line for line in looked if "never executed" not in line]) <= 2
    assert "Rows Removed by Filter: 999" in found, "each is looked at once"
