"""Two versions of a read model, compared: what differs is named, and nothing else is."""

from contextlib import asynccontextmanager
from uuid import UUID

import orjson
import pytest

from events.database import close_quietly, connect
from events.migrate import migrate
from projections.errors import UnknownProjection, VersionsNotComparable
from projections.projection import Version, schema_of
from projections.registry import create_indexes, create_tables, discover
from projections.verify import diff
from projections.verify.diff import EXCERPT_LENGTH, Comparison, Difference, compare, differences
from tests.projections.histories import TENANT, run_id
from tests.projections.test_runner import busy
from tests.waiting import until

NAMES = [projection.name for projection in discover()]
SECOND = 2
TABLES = {
    "dispatch": {"dispatch": ["tenant", "run_id"]},
    "executions": {"executions": ["tenant", "run_id"]},
    "listings": {
        "blocks": ["tenant", "list", "block"],
        "listings": ["tenant", "run_id"],
        "lists": ["tenant", "list"],
    },
    "load_plans": {"load_plans": ["tenant", "run_id"]},
    "workflows": {"flows": ["tenant", "fullname"], "workflows": ["tenant", "run_id"]},
}


@pytest.fixture
async def both(ledger):
    """Every read model twice, folded from the same log."""
    await migrate(ledger.url)  # the right to make schemas is the database's own: no copy has it
    async with ledger.pool.acquire() as connection, connection.transaction():
        for projection in discover():
            await create_tables(connection, Version(projection, SECOND))
            await create_indexes(connection, Version(projection, SECOND))
        await connection.execute("update projections.checkpoints set state = 'running'")
    head = await ledger.write(busy())
    async with ledger.applying() as runner:
        schemas = [schema_of(name, version) for name in NAMES for version in (1, SECOND)]
        await until(lambda: runner.positions == dict.fromkeys(schemas, head))
    return ledger


@asynccontextmanager
async def connected(ledger, name="executions"):
    """A connection for which bare names are those of the second version."""
    connection = await connect(ledger.url, search_path=schema_of(name, SECOND))
    try:
        yield connection
    finally:
        await close_quietly(connection)


@asynccontextmanager
async def snapshot(ledger):
    async with (
        connected(ledger) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def compared(ledger, name, left=1, right=SECOND) -> Comparison:
    async with snapshot(ledger) as connection:
        return await compare(connection, name, left, right)


async def edit(ledger, name, statement, *values) -> None:
    """Change what the second version holds, behind everybody's back."""
    async with connected(ledger, name) as connection:
        done = await connection.execute(statement, *values)
    assert done in {"UPDATE 1", "DELETE 1", "INSERT 0 1"}


async def only_difference(ledger, name, table):
    """The one row that differs, of one table."""
    found = await compared(ledger, name)
    assert found.different == 1
    (odd,) = [each for each in found.tables if each.different]
    assert odd.table == table
    (row,) = odd.shown
    return row


@pytest.mark.parametrize("name", NAMES)
async def test_versions_of_the_same_log_do_not_differ(both, name):
    found = await compared(both, name)

    assert found.position == await both.log.head()
    assert [table.table for table in found.tables] == list(TABLES[name])
    assert found.different == 0
    assert all(table.rows > 0 and table.shown == () for table in found.tables)


@pytest.mark.parametrize("name", NAMES)
async def test_every_table_has_exactly_one_key(ledger, name):
    rows = await ledger.pool.fetch(
        diff.load(diff._SQL, "diff_statements"), schema_of(name, 1), schema_of(name, 1)
    )
    tables = await ledger.pool.fetch(
        "select tablename from pg_tables where schemaname = $1 order by 1", schema_of(name, 1)
    )

    assert {row["table_name"]: row["key"] for row in rows} == TABLES[name]
    assert len(rows) == len(tables)


async def test_edited_document_member_is_named_with_both_values(both):
    await edit(
        both,
        "executions",
        "update executions set document = convert_to(replace(convert_from(document, 'utf8'),"
        ' \'"status":"queued"\', \'"status":"succeeded"\'), \'utf8\') where run_id = $1',
        run_id(60),
    )

    row = await only_difference(both, "executions", "executions")
    assert (row.key, row.kind) == ({"tenant": TENANT, "run_id": run_id(60)}, "differs")
    (column,) = row.columns
    assert (column.column, column.count) == ("document", 1)
    assert column.shown == (Difference("/status", '"queued"', '"succeeded"'),)


async def test_edited_column_is_named_with_both_values(both):
    await edit(both, "executions", "update executions set run_number = 7000 where run_number = 7")

    row = await only_difference(both, "executions", "executions")
    assert row.key["run_id"] == run_id(7)
    assert [(c.column, c.shown) for c in row.columns] == [
        ("run_number", (Difference("", "7", "7000"),))
    ]


async def test_removed_row_is_only_on_the_left(both):
    await edit(both, "workflows", "delete from workflows where run_id = $1", run_id(3))

    row = await only_difference(both, "workflows", "workflows")
    assert (row.key, row.kind) == ({"tenant": TENANT, "run_id": run_id(3)}, "only left")


async def test_added_row_is_only_on_the_right(both):
    await edit(both, "workflows", "insert into flows values ($1, 'made.UP', '{}')", TENANT)

    row = await only_difference(both, "workflows", "flows")
    assert (row.key, row.kind) == ({"tenant": TENANT, "fullname": "made.UP"}, "only right")


@pytest.mark.parametrize(
    ("table", "statement", "key", "column"),
    [
        ("lists", "update lists set live = live + 1 where list = ''", {"list": ""}, "live"),
        ("lists", "update lists set issued = issued - 1 where list = ''", {"list": ""}, "issued"),
        ("blocks", "update blocks set live = live + 1 where list = ''", {"block": 0}, "live"),
    ],
)
async def test_wrong_count_is_named(both, table, statement, key, column):
    await edit(both, "listings", statement)

    row = await only_difference(both, "listings", table)
    assert row.key.items() >= key.items()
    assert [each.column for each in row.columns] == [column]


async def test_changed_key_is_a_row_on_each_side(both):
    await edit(both, "load_plans", "update load_plans set tenant = 'b' where run_number = 3")

    (table,) = (await compared(both, "load_plans")).tables
    assert (table.only_left, table.only_right, table.differing) == (1, 1, 0)
    assert {row.kind for row in table.shown} == {"only left", "only right"}


async def test_all_differing_rows_are_counted_and_the_first_shown(both, monkeypatch):
    monkeypatch.setattr(diff, "MAX_ROWS", 5)
    async with connected(both) as connection:
        await connection.execute("update executions set flow_number = flow_number + 1")

    (table,) = (await compared(both, "executions")).tables
    assert (table.rows, table.differing, len(table.shown)) == (60, 60, 5)


async def test_versions_at_different_positions_are_refused(both):
    await both.pool.execute(
        "update projections.checkpoints set position = position - 1 where version = $1", SECOND
    )

    with pytest.raises(VersionsNotComparable, match="they are at positions"):
        await compared(both, "executions")


async def test_versions_with_other_columns_are_refused(both):
    async with connected(both) as connection:
        await connection.execute("alter table executions add column note text")

    with pytest.raises(VersionsNotComparable, match=r"executions\.note\.text"):
        await compared(both, "executions")


async def test_missing_version_is_named(ledger):
    with pytest.raises(UnknownProjection, match="executions_v9"):
        await compared(ledger, "executions", 1, 9)


@pytest.mark.parametrize("name", NAMES)
async def test_comparison_is_a_merge_join_over_the_keys_without_sort(both, name):
    async with snapshot(both) as connection:
        await connection.execute(diff.load(diff._SQL, "diff_session"))
        tables = await connection.fetch(
            diff.load(diff._SQL, "diff_statements"),
            schema_of(name, 1),
            schema_of(name, SECOND),
        )
        for table in tables:
            for statement in (table["count_rows"], table["show_rows"].replace("$1", "20")):
                plan = await connection.fetch(f"explain {statement}")
                text = "\n".join(line for (line,) in plan)
                assert "Merge Full Join" in text, text
                assert text.count("Index Scan") == 2, text
                assert "Sort" not in text, text


async def test_row_changed_during_the_comparison_is_seen_as_it_was(both):
    async with snapshot(both) as connection:
        await connection.fetchval("select 1 from executions_v2.executions limit 1")
        await edit(both, "executions", "update executions set run_number = 0 where run_number = 7")
        found = await compare(connection, "executions", 1, SECOND)

    assert found.different == 0


def document(**members) -> bytes:
    return orjson.dumps(members)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, [("/a", "1", "1.0")]),
        ({"a": 1}, {"a": True}, [("/a", "1", "true")]),
        ({"a": None}, {}, [("/a", "null", None)]),
        ({}, {"a": {"b": 2}}, [("/a", None, '{"b":2}')]),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [("/a/1/b", "2", "3")]),
        ({"a": [1]}, {"a": [1, 2]}, [("/a/1", None, "2")]),
        ({"a": [1]}, {"a": {"0": 1}}, [("/a", "[1]", '{"0":1}')]),
        ({"a/b~c": 1}, {"a/b~c": 2}, [("/a~1b~0c", "1", "2")]),
        ({"a": 1, "b": 2}, {"a": 0, "b": 0}, [("/a", "1", "0"), ("/b", "2", "0")]),
    ],
)
def test_differing_members_are_named_by_their_path(left, right, expected):
    found = differences(document(**left), document(**right))
    assert [(each.path, each.left, each.right) for each in found] == expected


def test_equal_document_in_other_bytes_differs_as_a_whole():
    (found,) = differences(b'{"a":1,"b":2}', b'{"b":2,"a":1}')
    assert found == Difference("", '{"a":1,"b":2}', '{"b":2,"a":1}')


def test_value_that_is_no_json_is_shown_as_it_is():
    (found,) = differences(b'{"a":1}', b"{\xff")
    assert found == Difference("", '{"a":1}', "{\N{REPLACEMENT CHARACTER}")


def test_values_of_postgres_types_are_shown_as_json():
    assert list(differences(None, UUID(int=1))) == [
        Difference("", "null", '"00000000-0000-0000-0000-000000000001"')
    ]


def test_differing_excerpt_of_a_long_value_is_shown():
    (found,) = differences(document(a="x" * 5000 + "1" + "y" * 900), document(a="x" * 5000 + "2"))
    assert found.left is not None
    assert found.right is not None
    assert max(len(found.left), len(found.right)) <= EXCERPT_LENGTH + 2
    assert "x1yyy" in found.left
    assert found.left.startswith("…")
    assert found.left.endswith("…")
    assert found.right.endswith('x2"')
