"""What no reader could decode is refused before it is stored, and harms no other request."""

import asyncpg
import pytest

from events.batch import Batch
from events.codec import MAX_STORED_DEPTH
from events.database import connect, load
from events.errors import InvalidEvent, UnreadableEvent
from events.store import _SQL
from tests.events.builders import event, request


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


POISON = {
    "cut off": b"{",
    "trailing": b'{"a":1}{',
    "NaN": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "lone surrogate": rb'{"a":"\ud800"}',
    "raw surrogate": b'{"a":"\xed\xa0\x80"}',
    "no UTF-8": b'{"a":"\xff"}',
    "NUL": rb'{"a":"\u0000"}',
    "NUL in a name": rb'{"\u0000":1}',
    "list": b"[]",
    "number": b"1",
    "nothing": b"",
    "too deep": nested(MAX_STORED_DEPTH + 1),
    "depth 2000": nested(2000),
}
NOT_FOR_SQL = {"too deep", "depth 2000"}
"""Postgres decodes these; a limit of readers in Python is kept in Python."""


@pytest.mark.parametrize("kind", POISON)
@pytest.mark.parametrize("part", ["body", "metadata"])
async def test_event_that_no_reader_could_decode_is_refused_alone(log, kind, part):
    poisoned = event()._replace(**{part: POISON[kind]})
    requests = [request("before"), request("bad"), request("after")]
    bad = requests[1].streams[0]._replace(events=(poisoned,))
    requests[1] = requests[1]._replace(streams=(bad,))
    before, refused, after = await log.append(requests)
    assert isinstance(refused, InvalidEvent)
    assert f"the {part} of RunStarted cannot be stored" in str(refused)
    assert (before.last_position, after.last_position) == (1, 2)
    assert [found.stream for found in await log.read(0, 9)] == ["before", "after"]


@pytest.mark.parametrize("kind", sorted(POISON.keys() - NOT_FOR_SQL))
@pytest.mark.parametrize("part", ["body", "metadata"])
async def test_function_refuses_what_a_caller_by_hand_would_poison_the_log_with(
    app, log, kind, part
):
    poisoned = request()
    stream = poisoned.streams[0]._replace(events=(event()._replace(**{part: POISON[kind]}),))
    columns = Batch([poisoned._replace(streams=(stream,))], []).columns()
    with pytest.raises(asyncpg.DataError):
        await app.fetchrow(load(_SQL, "append"), *columns)
    assert await log.head() == 0


async def test_deepest_body_that_may_be_stored_is_read_back(log):
    body = nested(MAX_STORED_DEPTH)
    [answer] = await log.append(
        [request()._replace(streams=(request().streams[0]._replace(events=(_with(body),)),))]
    )
    [stored] = await log.read(0, 9)
    assert stored.data == answer.events[0].data


async def test_escaped_text_of_all_planes_is_stored(log):
    body = rb'{"a":"\ud83d\ude00 \u00e9 \\u0000","b":"C:\\users"}'
    stream = request().streams[0]._replace(events=(_with(body),))
    [answer] = await log.append([request()._replace(streams=(stream,))])
    assert answer.events[0].data == {"a": "\U0001f600 \xe9 \\u0000", "b": "C:\\users"}


async def test_body_that_an_upcaster_cannot_lift_is_refused(log, monkeypatch):
    monkeypatch.setitem(
        log.append.__globals__["check_request"].__globals__, "upcast", lambda *_: 1 / 0
    )
    [refused] = await log.append([request()])
    assert isinstance(refused, InvalidEvent)
    assert "none of schema version 1" in str(refused)


async def test_poison_that_is_stored_already_is_named_by_its_position(log, database_url):
    await log.append([request(events=3)])
    owner = await connect(database_url, role=None)
    await owner.execute("set session_replication_role = replica")
    await owner.execute("update log.events set body = '{' where position = 2")
    await owner.close()
    with pytest.raises(UnreadableEvent, match="the event at position 2 cannot be decoded"):
        await log.read(0, 9)
    assert len(await log.read(2, 9)) == 1


def _with(body: bytes):
    return event()._replace(body=body)
