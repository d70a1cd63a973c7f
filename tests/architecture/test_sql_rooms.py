"""Which tables the SQL of each room may name: its own, and a few exceptions with their reasons."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("events", "projections", "service")
READ_MODELS = Path("projections/read_models")

ADVANCE = "rows and checkpoint are written by one statement, so that both change or neither"
ALLOWED = {
    **{
        (f"{READ_MODELS / name / 'store.sql'}", "projections.advance"): ADVANCE
        for name in ("dispatch", "executions", "listings", "load_plans", "workflows")
    },
    **{
        (f"projections/sql/{verb}_checkpoints.sql", "log.head"): "no checkpoint is beyond the end"
        for verb in ("lock", "read")
    },
    ("projections/sql/status.sql", "log.head"): "the lag is counted from the end of the log",
    ("projections/sql/status.sql", "log.events"): "the lag in seconds is an event's age",
    ("service/runs/sql/audit_page.sql", "log.events"): "filters by flow, unknown to the log",
    ("service/runs/sql/audit_page.sql", "log.streams"): "finds a run's first event, for its flow",
}
"""By file and name. What is not here, a room asks of the room whose table it is."""

CREATED = re.compile(
    r"\bcreate (?:or replace )?(?:unique )?(?:temporary )?(table|view|sequence|function|type)"
    r" (?:if not exists )?((?:\w+\.)?\w+)\b(?!\.)"
)
INDEX = re.compile(r"\bcreate (?:unique )?index (\w+) on (\w+)\.")
KEY = re.compile(r"\bcreate table ([\w.]+) \([^;]*\bprimary key\b")
COMMENT = re.compile(r"--[^\n]*")
ON_RIGHTS = re.compile(r"\b(?:grant|revoke)\b[^;]*;")
NO_TABLE_FOLLOWS = re.compile(
    r"\bextract\(\w+ from\b|\bdistinct from\b|\b(?:do|for|share) update\b|\bcreate trigger .*? on\b"
)
TABLE = re.compile(
    r"\b(?:from|join|insert into|update|delete from|truncate|references|table)"
    r" (?:only )?(?:if not exists )?(?!lateral\b)([a-z_][\w.]*)(\()?"
)
WITH = re.compile(r"(?:\bwith(?: recursive)?|,) (\w+)(?: \([\w, ]+\))? as (?:materialized )?\(")


def room_of(path: Path) -> str:
    """The room whose tables a file may name: a read model, a room of the service, or a package."""
    if path.is_relative_to(READ_MODELS):
        return path.relative_to(READ_MODELS).parts[0]
    return path.parts[1] if path.parts[0] == "service" else path.parts[0]


def plain(text: str) -> str:
    """SQL without comments, in lower case, with single blanks."""
    return " ".join(COMMENT.sub("", text).lower().split())


def created(sql: dict[Path, str]) -> dict[str, str]:
    """Whatever the rooms create, and whose it is; a read model sees its checkpoint by a view."""
    owners = {}
    for path, text in ((path, plain(text)) for path, text in sql.items()):
        names = [name for _, name in CREATED.findall(text)]
        names += [f"{schema}.{index}" for index, schema in INDEX.findall(text)]
        names += [f"{table}_pkey" for table in KEY.findall(text)]
        owners |= dict.fromkeys(names, room_of(path))
    models = {room_of(path) for path in sql if path.is_relative_to(READ_MODELS)}
    return owners | {f"{model}_checkpoint": model for model in models}


def schemas(owners: dict[str, str]) -> set[str]:
    return {name.partition(".")[0] for name in owners if "." in name}


def qualified(text: str, owners: dict[str, str]) -> set[str]:
    """The names in a room's schema that a text has, in the strings of a function too."""
    return set(re.findall(rf"\b(?:{'|'.join(sorted(schemas(owners)))})\.[a-z_]\w*", text))


def foreign(path: Path, text: str, owners: dict[str, str]) -> set[str]:
    """The tables and functions that a statement names and that are not of its room."""
    room, text = room_of(path), plain(text)
    found = {name for name in qualified(text, owners) if owners.get(name) != room}
    by_statement = set(WITH.findall(text))
    for name, call in TABLE.findall(NO_TABLE_FOLLOWS.sub("", ON_RIGHTS.sub("", text))):
        bare = "." not in name and not name.startswith("pg_")
        if bare and not call and name not in by_statement and owners.get(name) != room:
            found.add(name)
    return found


SQL = {
    path.relative_to(ROOT): path.read_text(encoding="utf-8")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.sql"))
}
OWNERS = created(SQL)
FOREIGN = {(str(path), name) for path in SQL for name in foreign(path, SQL[path], OWNERS)}


def test_every_room_with_tables_was_found():
    assert schemas(OWNERS) == {"log", "projections", "auth", "executors", "runs", "schedules"}
    assert {OWNERS[name] for name in ("log.events", "log.append", "log.new_key")} == {"events"}
    assert (OWNERS["listings"], OWNERS["runs.run_number"]) == ("listings", "runs")
    assert len(SQL) > 150


def test_sql_names_only_tables_of_its_own_room():
    assert FOREIGN - ALLOWED.keys() == set()


def test_every_exception_is_needed():
    assert ALLOWED.keys() - FOREIGN == set()


def test_the_log_names_nothing_of_the_rooms_above_it():
    assert [entry for entry in FOREIGN if room_of(Path(entry[0])) == "events"] == []


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("events/sql/x.sql", "select nextval('runs.run_number')", {"runs.run_number"}),
        ("events/sql/x.sql", "select 1 from log.events join auth.credentials on true", None),
        ("events/sql/x.sql", "select 1 from events", {"events"}),
        ("events/sql/x.sql", "with a as (select 1), b as (select 2) select * from a, b", set()),
        ("events/sql/x.sql", "-- from auth.credentials\nselect 1 from log.head", set()),
        ("events/sql/x.sql", "execute format('select from projections.registry')", None),
        ("projections/sql/x.sql", "update log.head set position = 1", {"log.head"}),
        ("projections/sql/x.sql", "insert into listings (a) values (1)", {"listings"}),
        ("projections/sql/x.sql", "select projections.advance(1)", set()),
        ("projections/read_models/listings/x.sql", "select 1 from workflows w", {"workflows"}),
        ("projections/read_models/listings/x.sql", "delete from listings_checkpoint", set()),
        ("projections/read_models/listings/x.sql", "truncate dispatch_checkpoint", None),
        ("service/auth/sql/x.sql", "LOCK TABLE executors.workers", {"executors.workers"}),
        ("service/runs/sql/x.sql", "select 1 from log.no_such_table", {"log.no_such_table"}),
        ("service/schedules/sql/x.sql", "select extract(epoch from due_at) from marks", {"marks"}),
    ],
)
def test_a_name_of_another_room_is_found(path, text, expected):
    if expected is None:
        assert len(foreign(Path(path), text, OWNERS)) == 1
    else:
        assert foreign(Path(path), text, OWNERS) == expected


def strings(path: Path) -> list[str]:
    """The strings of a module, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


def test_python_has_no_table_of_another_room_in_a_string():
    found = {
        (str(path.relative_to(ROOT)), name)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for text in strings(path)
        for name in qualified(text, OWNERS)
        if name in OWNERS and OWNERS[name] != room_of(path.relative_to(ROOT))
    }
    assert found == set()
