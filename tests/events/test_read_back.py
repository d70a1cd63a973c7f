"""Reading backwards: by filters, each event with its flow, a bounded part of the log at a time."""

import re
from uuid import uuid4

import pytest

from events import store
from events.codec import encode
from events.database import load
from events.envelope import AppendRequest, Expected, NewEvent, StreamAppend
from events.store import Filter
from tests.events.test_plans import SQL, STATEMENTS

ALL = Filter()


def one(tenant, stream, type_, body):
    event = NewEvent(str(uuid4()), type_, encode(body), f"{tenant}'s")
    return AppendRequest(tenant, (StreamAppend(stream, Expected.ANY, (event,)),))


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
async def told(log):
    """The story, one event a position."""
    await log.append([one(*event) for event in STORY])
    return log


async def positions(log, wanted=ALL, *, after=0, before=100, limit=100):
    found, next_before = await log.read_back(after, before, limit, wanted)
    return [event.position for event, _ in found], next_before


async def test_each_event_comes_with_the_flow_that_it_is_about(told):
    found, _ = await told.read_back(0, 100, 100, ALL)
    assert [flow for _, flow in reversed(found)] == FLOWS
    assert [event.position for event, _ in found] == list(range(10, 0, -1))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(tenant="t"), [10, 8, 6, 5, 2, 1]),
        (Filter(tenant="u"), [9, 7, 3]),
        (Filter(tenant="nobody"), []),
        (Filter(actor="t's"), [10, 8, 6, 5, 1]),
        (Filter(types=["RunFailed", "SlotTaken"]), [9, 8, 6]),
        (Filter(types=[]), []),
        (Filter(flow="a.ONE"), [8, 6, 5, 1]),
        (Filter(flow="a.TWO"), [10, 9, 7]),
        (Filter(tenant="t", flow="a.TWO"), [10]),
        (Filter(tenant="t", actor="t's", types=["RunFailed"], flow="a.ONE"), [8]),
    ],
)
async def test_each_filter_leaves_what_it_says(told, wanted, expected):
    assert await positions(told, wanted) == (expected, None)


async def test_both_ends_of_the_range_are_left_out(told):
    assert await positions(told, after=3, before=6) == ([5, 4], None)
    assert await positions(told, after=5, before=6) == ([], None)
    assert await positions(told, after=9, before=4) == ([], None)


async def test_a_full_page_goes_on_before_its_last_event(told):
    assert await positions(told, limit=4) == ([10, 9, 8, 7], 7)
    assert await positions(told, before=7, limit=4) == ([6, 5, 4, 3], 3)
    assert await positions(told, before=3, limit=2) == ([2, 1], None)


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("scan", [1, 2, 7, 100])
async def test_pages_of_any_size_give_all_there_is_once(told, monkeypatch, scan, limit):
    for wanted in (ALL, Filter(tenant="t"), Filter(flow="a.TWO"), Filter(types=["KeyCreated"])):
        whole, _ = await positions(told, wanted)
        monkeypatch.setattr(store, "SCAN", scan)
        found, before = [], 11
        while before is not None:
            page, following = await positions(told, wanted, before=before, limit=limit)
            assert following is None or following < before
            found += page
            before = following
        monkeypatch.undo()
        assert found == whole


async def test_events_are_read_at_their_positions_and_what_is_not_there_is_left_out(told):
    found = await told.read_at([10, 2, 99, 2])
    assert [event.position for event in found] == [2, 10]
    assert await told.read_at([]) == []


async def test_a_stream_is_read_by_type(told):
    found = await told.read_stream_of_type("t", "run:1", "RunFailed", limit=10)
    assert [event.position for event in found] == [8]
    assert await told.read_stream_of_type("t", "run:1", "RunWarned", limit=10) == []
    assert await told.read_stream_of_type("t", "run:1", "RunFailed", limit=0) == []


@pytest.mark.parametrize("analysed", [True, False], ids=["analysed", "never analysed"])
async def test_a_flow_is_looked_for_by_index_in_one_partition(log, app, owner, analysed):
    for first in range(0, 1000, 500):
        runs = range(first, first + 500)
        await log.append([one("t", f"run:{n}", "RunQueued", {"flow": f"a.{n}"}) for n in runs])
    if analysed:
        await owner.execute("analyze log.events, log.streams")
    await app.execute("set plan_cache_mode = force_generic_plan")
    types, _ = STATEMENTS["read_back"]
    await app.execute(f"prepare statement ({', '.join(types)}) as {load(SQL, 'read_back')}")
    values = "0, 1001, null, null, null, 'a.7', 100"
    rows = await app.fetch(f"explain (analyze, timing off) execute statement({values})")
    plan = "\n".join(row[0] for row in rows)
    scans = [line for line in plan.split("\n") if "Seq Scan" in line]
    assert [scan for scan in scans if "never executed" not in scan] == []
    looked = [line for line in plan.split("\n") if re.search(r"on events_\d+ q", line)]
    assert len([line for line in looked if "never executed" not in line]) <= 2
    assert "Rows Removed by Filter: 999" in plan, "each is looked at once"
