"""The leaf hash, version 1: document, standard library and database agree."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from events.envelope import AppendRequest, NewEvent, StreamAppend
from tests.docs.pages import only
from tests.events.builders import event, request

PAGE = "reference/leaf.md"
FIELDS = [
    "position",
    "version",
    "recorded_us",
    "occurred_us",
    "schema_version",
    "tenant",
    "stream",
    "event_id",
    "type",
    "actor",
    "correlation_id",
    "causation_id",
    "idempotency_key",
]
OF_DOCUMENT = (
    f"select log.leaf_1({', '.join('d.' + name for name in FIELDS)},"
    " convert_to(d.metadata, 'UTF8'), convert_to(d.body, 'UTF8'))"
    " from json_to_record($1::text::json) d (position bigint, version bigint, recorded_us bigint,"
    " occurred_us bigint, schema_version int, tenant text, stream text, event_id uuid, type text,"
    " actor text, correlation_id text, causation_id text, idempotency_key text, metadata text,"
    " body text)"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def block(language: str, number: int = 0) -> str:
    return only(PAGE, language)[number]


VECTORS = json.loads(block("json"))
FROZEN = [
    "ee0c40a74f0340be39f680245954e6f070b89b527a5a440daeda5d1a2d5db2f7",
    "cca5fff1c3c2d23f9f4d1cc27660480e6df3a5dac5bf50ca0182f9996ea2fc97",
    "da9ac760b9568920d2b4c4b7cf9d8983b513c6a734ba0a515b62c6d1d2f31178",
]


def leaf(values: dict) -> str:
    """Run the program in the document: it is part of the promise."""
    names: dict = {}
    exec(block("python"), names)
    return names["leaf"](values)


def micros(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["position"]))
def test_documented_program_computes_the_hash_of_each_vector(vector):
    assert leaf(vector) == vector["leaf_hash"]


def test_leaf_vectors_have_not_changed():
    assert [vector["leaf_hash"] for vector in VECTORS] == FROZEN


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["position"]))
async def test_database_computes_the_hash_of_each_vector(app, vector):
    values = [vector[name] for name in FIELDS]
    raw = [vector["metadata"].encode(), vector["body"].encode()]
    found = await app.fetchval(
        "select log.leaf_1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)", *values, *raw
    )
    assert found.hex() == vector["leaf_hash"]


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1", "WIN1252"])
async def test_client_encoding_does_not_change_the_leaf_hash(app, encoding):
    """The database has a shorter way for clients of UTF-8, which are all of ours."""
    vectors = [dict(vector) for vector in VECTORS] + [VECTORS[0] | {"actor": "Zo\u00eb"}]
    # What a client of LATIN1 sends in binary is read as LATIN1: the text goes in escaped.
    found = []
    for vector in vectors:
        vector.pop("leaf_hash", None)
        document = json.dumps(vector, ensure_ascii=True)
        await app.execute(f"set client_encoding = {encoding}")
        found.append(await app.fetchval(OF_DOCUMENT, document))
        await app.execute("set client_encoding = UTF8")
    assert [value.hex() for value in found] == [leaf(vector) for vector in vectors]


async def test_appended_events_have_the_leaf_hash_of_their_stored_columns(app, log):
    whole = NewEvent(
        "ef8f9f90-6a3d-429c-ac67-3c9d5a9e3453",
        "TaskFailed",
        '{"text":"\u00e9\u4e2d\U0001f600"}'.encode(),
        "Zo\u00eb",
        schema_version=1,
        metadata=b'{"source":"here"}',
        correlation_id="one",
        causation_id="two",
        idempotency_key="three",
        occurred_at=datetime(1815, 12, 10, 1, 2, 3, 456789, tzinfo=UTC),
    )
    part = StreamAppend("b", 0, (whole, event()))
    await log.append([request("a", 0, 3), AppendRequest("s\u00fcd", (part,))])
    rows = await app.fetch("select * from log.events order by position")
    assert len(rows) == 5
    for row in rows:
        values = dict(row) | {
            "recorded_us": micros(row["recorded_at"]),
            "occurred_us": micros(row["occurred_at"]),
            "body": row["body"].decode(),
            "metadata": row["metadata"].decode(),
        }
        assert row["leaf_hash"].hex() == leaf(values)


async def test_documented_query_finds_only_the_changed_row(owner, log):
    """Somebody who can disable triggers cannot hide a change from the leaf hash."""
    await log.append([request("a", 0, 3)])
    assert await owner.fetch(block("sql")) == []
    await owner.execute("set session_replication_role = replica")
    await owner.execute("update log.events set actor = 'somebody else' where position = 2")
    assert [row["position"] for row in await owner.fetch(block("sql"))] == [2]
