"""Reads never skip a position, and never cross a tenant."""

import pytest

from events.envelope import AppendRequest, StreamAppend
from events.errors import MissingPositions
from events.store import SCAN_LIMIT
from events.types import CATALOGUE_STREAM
from tests.events.builders import event, request


def positions(events):
    return [event.position for event in events]


async def test_read_is_contiguous_up_to_the_head(log):
    await log.append([request("a", -1, 3), request("b", -1, 2)])
    assert positions(await log.read(0, 10)) == [1, 2, 3, 4, 5]
    assert positions(await log.read(1, 3)) == [2, 3, 4]
    assert await log.read(5, 10) == []
    assert await log.read(2**63 - 1, 10) == []


async def test_missing_position_raises(log, owner):
    await log.append([request("a", -1, 5)])
    await owner.execute("set session_replication_role = replica")
    await owner.execute("delete from log.events where position = 3")
    with pytest.raises(MissingPositions) as alarm:
        await log.read(0, 10)
    assert (alarm.value.expected, alarm.value.found) == (3, 4)


async def test_read_stream_is_in_version_order(log):
    await log.append([request("a"), request("b"), request("a"), request("a", tenant="u")])
    await log.append([request("a")])
    events = await log.read_stream("t", "a")
    assert [(event.version, event.position) for event in events] == [(1, 1), (2, 3), (3, 5)]
    assert positions(await log.read_stream("t", "a", 1)) == [3, 5]
    assert positions(await log.read_stream("t", "a", 1, limit=1)) == [3]
    assert positions(await log.read_stream("t", "a", up_to=4)) == [1, 3]
    assert await log.read_stream("t", "unknown") == []
    assert positions(await log.read_stream("t", "a", limit=2**63)) == [1, 3, 5]


async def test_read_streams_returns_each_stream_by_key(log):
    await log.append([request("a"), request("b"), request("a"), request("a", tenant="u")])
    keys = [("t", "b"), ("t", "a"), ("t", "none"), ("u", "a"), ("t", "a")]
    streams = await log.read_streams(keys)
    assert {key: positions(events) for key, events in streams.items()} == {
        ("t", "b"): [2],
        ("t", "a"): [1, 3],
        ("t", "none"): [],
        ("u", "a"): [4],
    }
    assert positions((await log.read_streams(keys, up_to=2))["t", "a"]) == [1]
    assert await log.read_streams([]) == {}


async def test_pages_of_a_tenant_hold_exactly_its_events(log):
    await log.append([request(tenant="tu"[number % 2]) for number in range(20)])
    for tenant, wanted in [("t", range(1, 21, 2)), ("u", range(2, 21, 2)), ("*", range(1, 21))]:
        after, found = 0, []
        while after < await log.head():
            events, after = await log.read_page(after, 3, tenant)
            found += positions(events)
        assert found == list(wanted)


async def test_page_passes_other_tenants_but_never_the_head(log):
    await log.append([request(tenant="t") for _ in range(5)])
    assert await log.read_page(0, 10, "nobody") == ([], 5)
    assert await log.read_page(5, 10, "nobody") == ([], 5)
    assert await log.read_page(9, 10, "nobody") == ([], 9)
    assert await log.read_page(5, 10, None) == ([], 5)


async def test_page_up_to_a_position_equals_page_of_that_time(log):
    wanted = []
    for number in range(10):
        await log.append([request(tenant="tu"[number % 2])])
        wanted.append([await log.read_page(after, 3, t) for after in range(12) for t in "tu*"])
    assert wanted == [
        [await log.read_page(after, 3, t, position) for after in range(12) for t in "tu*"]
        for position in range(1, 11)
    ]


async def test_page_scans_a_bounded_range(log, owner):
    await owner.execute("update log.head set position = $1", SCAN_LIMIT + 10)
    assert await log.read_page(0, 10, "nobody") == ([], SCAN_LIMIT)


async def test_tenants_with_a_catalogue_are_listed_in_order(log):
    await log.append([request(CATALOGUE_STREAM, tenant=tenant) for tenant in ("u", "b", "\xe9")])
    await log.append([request("s", tenant="without"), request(CATALOGUE_STREAM, tenant="u")])
    assert await log.tenants() == ["b", "u", "\xe9"]


async def test_stream_in_two_partitions_is_read_completely(log, owner):
    await log.append([request("a", 0)])
    await owner.execute("update log.head set position = 4999998")
    many = AppendRequest("t", (StreamAppend("a", 1, (event(), event(), event())),))
    await log.append([many])
    wanted = [1, 4999999, 5000000, 5000001]
    assert positions(await log.read_stream("t", "a")) == wanted
    assert positions((await log.read_streams([("t", "a")]))["t", "a"]) == wanted
    assert positions(await log.read(4999998, 10)) == wanted[1:]


async def test_read_at_returns_events_at_existing_positions(log):
    await log.append([request("a", -1, 10)])
    assert positions(await log.read_at([10, 2, 99, 2])) == [2, 10]
    assert await log.read_at([]) == []


async def test_read_stream_of_type_returns_only_that_type(log):
    await log.append(
        [request("a"), request("b", type_="RunFailed"), request("a", type_="RunFailed")]
    )
    assert positions(await log.read_stream_of_type("t", "a", "RunFailed", limit=10)) == [3]
    assert await log.read_stream_of_type("t", "a", "RunWarned", limit=10) == []
    assert await log.read_stream_of_type("t", "a", "RunFailed", limit=0) == []
