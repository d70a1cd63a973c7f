"""What one append promises; `tests.kit.append_machine` checks any sequence of batches."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest

from events.database import load
from events.envelope import (
    AppendRequest,
    AppendResult,
    Event,
    ExpectedVersion,
    NewEvent,
    StreamAppend,
)
from events.errors import IdempotencyMismatch, InvalidEvent, LogError, VersionConflict
from events.store import IdempotencyRecord
from tests.events.builders import event, request
from tests.events.test_plans import SQL

EVERY_LOOP = True


async def answer(log, request):
    return (await log.append([request]))[0]


async def test_appended_event_reads_back_equal_to_append_result(log):
    new = NewEvent(
        "ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453",
        "TaskFailed",
        b'{"task":"LOAD"}',
        "reporter",
        schema_version=1,
        metadata=b'{"source":"here"}',
        correlation_id="root",
        causation_id="cause",
        idempotency_key="key",
        occurred_at=datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC),
    )
    appended = await answer(log, AppendRequest("t", (StreamAppend("a", 0, (new,)),)))
    [found] = await log.read(0, 10)
    assert appended == AppendResult(1, 1, found.recorded_at, events=(found,))
    assert found == Event(
        position=1,
        tenant="t",
        stream="a",
        version=1,
        event_id="ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453",
        type="TaskFailed",
        schema_version=1,
        data={"task": "LOAD"},
        metadata={"source": "here"},
        actor="reporter",
        correlation_id="root",
        causation_id="cause",
        idempotency_key="key",
        occurred_at=datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC),
        recorded_at=found.recorded_at,
        leaf_hash=found.leaf_hash,
    )


async def test_body_is_stored_byte_for_byte(log, app):
    odd = NewEvent(
        "ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453", "RunStarted", b'{ "b":1.50,"a":1e2 }', ""
    )
    await log.append([AppendRequest("t", (StreamAppend("a", 0, (odd,)),))])
    assert await app.fetchval("select body from log.events") == b'{ "b":1.50,"a":1e2 }'


@pytest.mark.parametrize(
    ("expected", "actual", "holds"),
    [
        (ExpectedVersion.NO_STREAM, 0, True),
        (ExpectedVersion.NO_STREAM, 2, False),
        (ExpectedVersion.ANY, 0, True),
        (ExpectedVersion.ANY, 2, True),
        (ExpectedVersion.EXISTS, 0, False),
        (ExpectedVersion.EXISTS, 2, True),
        (2, 2, True),
        (1, 2, False),
        (3, 2, False),
        (1, 0, False),
    ],
)
@pytest.mark.parametrize("written", [True, False], ids=["written", "only read"])
async def test_append_conflicts_exactly_when_expected_version_does_not_match(
    log, expected, actual, holds, written
):
    """Acceptance A-4, each mode by example."""
    if actual:
        await log.append([request("a", 0, actual)])
    condition = StreamAppend("a", expected, (event(),) if written else ())
    wanted = AppendRequest("t", (StreamAppend("b", 0, (event(),)), condition))
    found = await answer(log, wanted)
    if holds:
        assert (found.first_position, found.last_position) == (actual + 1, actual + 1 + written)
    else:
        assert found == VersionConflict("t", "a", expected, actual)
        assert await log.head() == actual


async def test_later_requests_of_a_batch_see_versions_of_earlier_ones(log):
    answers = await log.append([request("a", version) for version in range(5)])
    assert [found.events[0].version for found in answers] == [1, 2, 3, 4, 5]


async def test_refused_request_fails_alone_and_takes_no_position(log):
    answers = await log.append([request("a", 0), request("a", 0), request("b", 0)])
    assert [type(found) for found in answers] == [AppendResult, VersionConflict, AppendResult]
    assert [event.stream for event in await log.read(0, 10)] == ["a", "b"]


async def test_twenty_concurrent_appends_expecting_any_version_all_succeed(log):
    """Acceptance A-3: no success without a row."""
    answers = await asyncio.gather(*(answer(log, request("a")) for _ in range(20)))
    assert sorted(found.first_position for found in answers) == list(range(1, 21))
    events = await log.read_stream("t", "a")
    assert [event.version for event in events] == list(range(1, 21))


async def test_fifty_writers_expecting_one_version_have_one_winner(log):
    """Acceptance A-3."""
    for version in range(3):
        racers = [answer(log, request("a", version)) for _ in range(50)]
        answers = await asyncio.gather(*racers)
        winners = [found for found in answers if isinstance(found, AppendResult)]
        assert [winner.events[0].version for winner in winners] == [version + 1]
        assert answers.count(VersionConflict("t", "a", version, version + 1)) == 49


async def test_repeated_idempotency_key_returns_original_positions(log):
    first = await answer(log, request("a", 0, 2, key="k"))
    again = await answer(log, request("a", 0, 2, key="k"))
    assert again == first._replace(duplicate=True, events=())
    assert await log.head() == 2


async def test_idempotency_key_of_a_different_request_is_a_mismatch(log):
    """Acceptance A-2."""
    await log.append([request("a", key="k", fingerprint=b"one")])
    refused = await answer(log, request("a", key="k", fingerprint=b"two"))
    assert refused == IdempotencyMismatch("t", "k")
    assert await log.head() == 1


async def test_idempotency_key_is_scoped_to_its_tenant(log):
    answers = await log.append([request("a", key="k"), request("a", key="k", tenant="u")])
    assert [found.duplicate for found in answers] == [False, False]


async def test_idempotency_key_of_a_refused_request_stays_unused(log):
    assert isinstance(await answer(log, request("a", 7, key="k")), VersionConflict)
    assert isinstance(await answer(log, request("a", 0, key="k")), AppendResult)


async def test_same_idempotency_key_twice_in_a_batch_is_written_once(log):
    first, second = await log.append([request("a", key="k"), request("a", key="k")])
    assert second == first._replace(duplicate=True, events=())


async def test_repeated_event_ids_return_original_positions(log):
    wanted = request("a", 0, 3)
    first = await answer(log, wanted)
    await log.append([request("a", 3)])
    assert await answer(log, wanted) == first._replace(duplicate=True, events=())


@pytest.mark.parametrize("change", ["stream", "body", "type", "tenant", "longer", "order"])
async def test_event_id_of_a_different_event_is_refused(log, change):
    one, two = event(n=1), event(n=2)
    await log.append([AppendRequest("t", (StreamAppend("a", 0, (one, two)),))])
    changed = {
        "stream": AppendRequest("t", (StreamAppend("b", -1, (one, two)),)),
        "body": AppendRequest("t", (StreamAppend("a", -1, (one._replace(body=b"{}"), two)),)),
        "type": AppendRequest("t", (StreamAppend("a", -1, (one._replace(type="X"), two)),)),
        "tenant": AppendRequest("u", (StreamAppend("a", -1, (one, two)),)),
        "longer": AppendRequest("t", (StreamAppend("a", -1, (one, two, event())),)),
        "order": AppendRequest("t", (StreamAppend("a", -1, (two, one)),)),
    }
    refused = await answer(log, changed[change])
    assert isinstance(refused, InvalidEvent)
    assert "is already used by a different event" in str(refused)
    assert await log.head() == 2


async def test_find_idempotency_key_returns_original_positions_and_stream(log):
    await log.append([request("b"), request("a", 0, 2, key="k", fingerprint=b"f")])
    assert await log.find_idempotency_key("t", "k") == IdempotencyRecord(b"f", 2, 3, "a")
    assert await log.find_idempotency_key("u", "k") is None


async def test_one_invalid_request_of_five_hundred_fails_alone(log):
    """Acceptance A-5."""
    requests = [request(f"s{number}", 0) for number in range(500)]
    poisoned = StreamAppend("s250", 0, (event("Run\x00Started"),))
    requests[250] = AppendRequest("t", (poisoned,))
    answers = await log.append(requests)
    assert [n for n, found in enumerate(answers) if isinstance(found, LogError)] == [250]
    assert await log.head() == 499


def changed_event(**changes):
    return AppendRequest("t", (StreamAppend("a", 0, (event()._replace(**changes),)),))


@pytest.mark.parametrize(
    "bad",
    [
        AppendRequest("t", ()),
        AppendRequest("t", (StreamAppend("a", 0),)),
        AppendRequest("t", (StreamAppend("a", 0, (event(),)), StreamAppend("a", 1, (event(),)))),
        AppendRequest(
            "t",
            (StreamAppend("a", 0, (event(event_id="0" * 8 + "-0000" * 3 + "-" + "0" * 12),) * 2),),
        ),
        AppendRequest("t", (StreamAppend("a", 0, (event(),)),), "key without fingerprint"),
        request("a", -3),
        request("a", 2**63),
        request(""),
        request("a" * 401),
        request("\ud800"),
        request(tenant=""),
        request(tenant="t" * 201),
        request(key="k" * 401),
        changed_event(event_id="no uuid"),
        changed_event(event_id="EF8F9F90-6A3D-429C-AC67-3C9D5A9E3453"),
        changed_event(type=""),
        changed_event(actor="a" * 401),
        changed_event(correlation_id="\x00"),
        changed_event(causation_id="c" * 401),
        changed_event(idempotency_key="\udfff"),
        changed_event(schema_version=0),
        changed_event(schema_version=2**31),
        changed_event(body=b""),
        changed_event(body=b"[]"),
        changed_event(metadata=b"null"),
        changed_event(occurred_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))),
        changed_event(occurred_at=datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=9)))),
        changed_event(type="\xe9", actor="a" * 401),
        changed_event(occurred_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - that is the point
    ],
)
async def test_request_out_of_bounds_is_refused_and_writes_nothing(log, bad):
    refused, accepted = await log.append([bad, request("b", 0)])
    assert isinstance(refused, InvalidEvent)
    assert (accepted.first_position, await log.head()) == (1, 1)


async def test_texts_at_maximum_length_are_stored(log):
    wide = "\U0001f600" * 400
    whole = event()._replace(
        actor=wide, correlation_id=wide, causation_id=wide, idempotency_key=wide
    )
    part = StreamAppend(wide, 0, (whole,))
    appended = await answer(log, AppendRequest("\U0001f600" * 200, (part,), wide, b"f"))
    assert appended.events == tuple(await log.read(0, 1))


async def test_empty_batch_has_no_outcomes(log):
    assert await log.append([]) == []


@pytest.mark.parametrize("chained", [False, True], ids=["each stream once", "a stream twice"])
async def test_fast_and_general_path_of_append_assign_same_numbers(log, chained):
    """The append has a way of its own for batches that write no stream twice."""
    await log.append([request("c", 0, 2), request("d", 0)])
    asked = [
        request("a", 0, 3), request("b", -1, 1), request("c", -2, 2), request("d", 1, 1),
        request("e", -1, 2, key="k"),
    ]  # fmt: skip
    answers = await log.append(asked + [request("a", 3)] * chained)
    found = [(x.first_position, x.last_position, x.events[0].version) for x in answers]
    assert found[:5] == [(4, 6, 1), (7, 7, 1), (8, 9, 3), (10, 10, 2), (11, 12, 1)]
    assert found[5:] == [(13, 13, 4)] * chained
    events = tuple(event for answer in answers for event in answer.events)
    assert tuple(await log.read(3, 20)) == events
    assert await log.read_stream("t", "c", 2) == list(answers[2].events)
    for stream, version in zip("abcde", [3 + chained, 1, 4, 2, 2], strict=True):
        assert isinstance((await log.append([request(stream, version)]))[0], AppendResult)


@pytest.mark.parametrize(
    ("stands", "expected"), [(1, 0), (1, 7), (0, 1), (0, ExpectedVersion.EXISTS)]
)
async def test_one_conflict_does_not_change_the_rest_of_its_batch(log, stands, expected):
    await log.append([request("d")] * stands)
    answers = await log.append([request("a", 0, 2), request("d", expected), request("b", 0)])
    assert answers[1] == VersionConflict("t", "d", expected, stands)
    assert [answers[n].last_position for n in (0, 2)] == [stands + 2, stands + 3]


def batch(part_request, event_part, part_stream=(1, 2, 3)):
    """The arrays of `log.append`: parts of one stream each, events of the parts given."""
    parts = len(part_request)
    streams = [("t", "s1"), ("t", "s2"), ("t", "s3")][:parts]
    event = ("One", 1, b"{}", b"{}", "me", "", "", "", None)
    return (
        [],
        streams,
        part_request,
        part_stream[:parts],
        [0] * parts,
        event_part,
        [str(uuid.uuid4()) for _ in event_part],
        [event] * len(event_part),
        0,
    )


@pytest.mark.parametrize(
    ("part_request", "event_part", "why"),
    [
        ([1, 2], [2, 1], "events are not in the order"),
        ([1, 2], [1, 2, 1], "events are not in the order"),
        ([1, 2], [0, 1, 2], "events are not in the order"),
        ([1, 2], [1, 2, 3], "events are not in the order"),
        ([1], [1, None], "must not contain NULLs"),
        ([1, 2, 1], [1, 2, 3], "parts are not in the order"),
        ([2, 1], [1, 2], "request 1 has no events"),
        ([0, 1], [1, 2], "request 1 has no events"),
        ([2], [1], "request 1 has no events"),
        ([1, 2], [2], "request 1 has no events"),
        ([1, 2], [1], "request 2 has no events"),
    ],
)
async def test_batch_with_parts_or_events_out_of_order_is_refused(
    app, log, part_request, event_part, why
):
    """`Log` sends none: the function is open to others of the service's role."""
    with pytest.raises(asyncpg.DataError, match=why):
        await app.fetchrow(load(SQL, "append"), *batch(part_request, event_part))
    assert await log.head() == 0
    await app.fetchrow(load(SQL, "append"), *batch([1, 2], [1, 2, 2]))
    assert [f"{e.stream} {e.version}" for e in await log.read(0, 9)] == ["s1 1", "s2 1", "s2 2"]


async def test_streams_of_a_batch_may_be_in_any_order(app, log):
    await app.fetchrow(load(SQL, "append"), *batch([1, 2], [1, 2, 2], (2, 1)))
    assert [f"{e.stream} {e.version}" for e in await log.read(0, 9)] == ["s2 1", "s1 1", "s1 2"]
    answers = await log.append([request("s1", 2), request("s2", 1)])
    assert [found.events[0].version for found in answers] == [3, 2]
