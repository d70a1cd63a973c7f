"""Each check of the doctor finds its fault, and none finds one in a sound ledger."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from events.database import connect_pool
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.store import Log
from service.access import Origin
from service.doctor import examination, history, server, state
from service.doctor.examination import Patient, examine
from service.ops.connections import ConnectionLimit
from service.ops.migrations import migrate_all
from service.runs.domain.commands import StartRun
from service.serving import serving
from service.settings import Settings
from tests import postgres
from tests.kit.readiness import DISK_FULL
from tests.service.test_app import load_examples
from tests.waiting import until

ORIGIN = Origin(actor="tests", source="tests")
OF_THE_SERVER = {"durability", "connections"}
"""Tests share a server that is hurried, and may be full."""

GRANT = (
    "do $$ begin execute format('grant create on database %I to flowledger_app',"
    " current_database()); end $$"
)
"""A copy of a database lacks the rights on the database itself."""

SECRET_KEY = secrets.token_bytes(32)


@pytest.fixture(scope="module")
def filled_database(postgres_run, template_database):
    """The name of a sound ledger with flows, a key and a run; copied, never connected to."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        postgres.apart(_fill(url))
        yield urlsplit(url).path[1:]


async def _fill(url):
    async with serving(Settings(database_url=url, port=0, secret_key=SECRET_KEY)) as (service, _):
        await load_examples(service)
        await service.credentials.create(tenant="acme", role="operator", name="tester")
        await service.writer.submit(StartRun("acme", ORIGIN, fullname="example.EXTERNAL"))
        head = await service.log.head()
        await until(
            lambda: (
                all(row["position"] >= head for row in service.readiness.projections)
                and bool(service.readiness.projections)
            )
        )


@pytest.fixture
def url(postgres_run, filled_database):
    with postgres.fresh_database(postgres_run, filled_database) as url:
        postgres.apart(execute(url, GRANT))
        yield url


@pytest.fixture
def patient(url):
    return Patient(Settings(database_url=url, secret_key=SECRET_KEY))


async def execute(url, statement):
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(statement)
    finally:
        await owner.close()


def faults(report):
    return {each.check: each for each in report.findings if each.level != "ok"}


async def test_sound_ledger_has_no_fault(patient):
    report = await examine(patient)
    assert faults(report).keys() <= OF_THE_SERVER
    assert not report.not_checked
    assert {each.check for each in report.findings} >= {
        "database",
        "server",
        "connections",
        "clock",
        "role",
        "migrations",
        "session",
        "append",
        "rights",
        "locks",
        "protection",
        "log",
        "partitions",
        "events",
        "read models",
        "rebuilds",
        "credentials",
        "workers",
        "run numbers",
        "disk",
    }


async def test_ledger_without_any_event_has_no_fault(database_url):
    await execute(database_url, GRANT)
    report = await examine(Patient(Settings(database_url=database_url, secret_key=SECRET_KEY)))
    assert faults(report).keys() <= OF_THE_SERVER


APPEND_ONLY_OFF = """
do $$ declare name text; begin
    for name in select c.oid::regclass from pg_class c
        where c.relnamespace = 'log'::regnamespace and c.relkind in ('r', 'p')
    loop execute format('alter table %s disable trigger all', name); end loop;
end $$;
"""


class Fault(NamedTuple):
    """The statement that breaks a ledger, and what is to be found then."""

    check: str
    level: str
    text: str
    statement: str


FAULTS = {
    "commits that are not awaited": Fault(
        "durability",
        "warning",
        "synchronous_commit is off",
        "do $$ begin execute format('alter database %I set synchronous_commit = off',"
        " current_database()); end $$",
    ),
    "clock behind the log": Fault(
        "clock",
        "warning",
        "behind the last event by 10",
        "update log.head set recorded_at = clock_timestamp() + interval '3 h'",
    ),
    "no migration record": Fault(
        "migrations",
        "error",
        "these are missing: 0001_credentials_pre",
        "delete from log.migrations where room = 'auth'",
    ),
    "other build": Fault(
        "migrations",
        "error",
        "auth/0001_credentials_pre is not the same",
        "update log.migrations set sha256 = 'x' where room = 'auth'",
    ),
    "right revoked": Fault(
        "rights",
        "error",
        "grant usage on schema auth to flowledger_app",
        "revoke usage on schema auth from flowledger_app",
    ),
    "right on a table revoked": Fault(
        "rights",
        "error",
        "alter table executions_v1.executions owner to flowledger_app",
        "alter table executions_v1.executions owner to current_user;"
        " grant select on executions_v1.executions to flowledger_app",
    ),
    "right to make schemas revoked": Fault(
        "rights",
        "error",
        "grant create on database",
        GRANT.replace("grant", "revoke").replace(" to ", " from "),
    ),
    "function revoked": Fault(
        "rights",
        "error",
        "grant execute on function log.append",
        "do $$ begin execute (select format('revoke execute on function %s from flowledger_app',"
        " oid::regprocedure) from pg_proc where oid = 'log.append'::regproc); end $$",
    ),
    "right to change the log": Fault(
        "rights",
        "error",
        "revoke insert on log.events from public, flowledger_app",
        "grant insert on log.events to flowledger_app",
    ),
    "owner without rights": Fault(
        "rights",
        "error",
        "log.probe runs as flowledger_app, which may not write",
        "grant create on schema log to flowledger_app;"
        " alter function log.probe() owner to flowledger_app",
    ),
    "session setting": Fault(
        "session",
        "error",
        "standard_conforming_strings is 'off', not 'on'",
        "do $$ begin execute format('alter database %I set standard_conforming_strings = off',"
        " current_database()); end $$",
    ),
    "full disk": Fault(
        "append",
        "error",
        "no event can be appended: the database cannot serve: could not extend file",
        DISK_FULL,
    ),
    "triggers disabled": Fault(
        "protection",
        "error",
        "missing or disabled on log.event_ids",
        "alter table log.event_ids disable trigger all",
    ),
    "head ahead of the events": Fault(
        "log",
        "error",
        "but the counter row says",
        "update log.head set position = position + 5",
    ),
    "first partition detached": Fault(
        "partitions",
        "error",
        "there is no partition for position 1",
        "alter table log.events detach partition log.events_000000",
    ),
    "no partition ahead": Fault(
        "partitions",
        "warning",
        "none is ahead",
        "alter table log.events detach partition log.events_000001;"
        " alter table log.events detach partition log.events_000002",
    ),
    "event changed": Fault(
        "events",
        "error",
        "position 2 does not match its leaf hash",
        APPEND_ONLY_OFF + """update log.events set actor = 'nobody' where position = 2""",
    ),
    "event removed": Fault(
        "events",
        "error",
        "no event at position 2",
        APPEND_ONLY_OFF + "delete from log.events where position = 2",
    ),
    "event that cannot be decoded": Fault(
        "events",
        "error",
        "position 3 cannot be decoded",
        APPEND_ONLY_OFF + "update log.events set body = '{' where position = 3",
    ),
    "checkpoint beyond the log": Fault(
        "read models",
        "error",
        "listings version 1 shows position 999",
        "update projections.checkpoints set position = 999 where name = 'listings'",
    ),
    "read model paused": Fault(
        "read models",
        "error",
        "listings version 1 is paused before position 3: odd",
        "update projections.checkpoints set state = 'paused', error = 'odd', error_position = 3"
        " where name = 'listings'",
    ),
    "read model behind": Fault(
        "read models",
        "warning",
        "s behind the log",
        "update projections.checkpoints set position = 0 where name = 'listings';"
        + APPEND_ONLY_OFF
        + "update log.events set recorded_at = recorded_at - interval '1 h' where position = 1",
    ),
    "read model not set up": Fault(
        "read models",
        "error",
        "not set up, run `flowledger migrate`: listings",
        "delete from projections.registry where name = 'listings'",
    ),
    "read model of a newer release": Fault(
        "read models",
        "error",
        "schema version 99, which this release does not know",
        "update projections.checkpoints set schema_version = 99 where name = 'listings'",
    ),
    "rebuild stopped": Fault(
        "rebuilds",
        "warning",
        "that of listings stopped: no space",
        "insert into projections.rebuilds (name, from_version, new_version, schema_version, phase,"
        " error, started_by, source) values ('listings', 1, 2, 1, 'failed', 'no space', 'a', 'b')",
    ),
    "rebuild without a process": Fault(
        "rebuilds",
        "warning",
        "no process works on it",
        "insert into projections.rebuilds (name, from_version, new_version, schema_version, phase,"
        " started_by, source) values ('listings', 1, 2, 1, 'folding', 'a', 'b')",
    ),
    "version left half made": Fault(
        "rebuilds",
        "warning",
        "listings_v2 was left half made",
        "select projections.create_version('listings', 2, 1)",
    ),
    "worker dead": Fault(
        "workers",
        "warning",
        "silent: 1",
        "insert into executors.workers (worker, slots, beat_at)"
        " values (gen_random_uuid(), 8, clock_timestamp() - interval '1 min')",
    ),
    "sequence set back": Fault(
        "run numbers",
        "error",
        "run 1 is in the log",
        "select setval('runs.run_number', 1, false)",
    ),
    "few connections left": Fault(
        "connections",
        "error",
        "(connection limit) allows 30 connections",
        "do $$ begin execute format('alter database %I connection limit 30',"
        " current_database()); end $$",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_fault_is_found_with_its_cure(patient, url, name):
    check, level, text, statement = FAULTS[name]
    await execute(url, statement)
    found = [
        each
        for each in (await examine(patient)).findings
        if each.check == check and each.level == level
    ]
    assert any(text in each.text for each in found), found
    assert all(each.cure for each in found)


async def test_other_secret_key_is_found(patient):
    patient = replace(patient, settings=replace(patient.settings, secret_key=bytes(32)))
    found = faults(await examine(patient))["credentials"]
    assert "opens 0 of 1" in found.text
    assert "flowledger keys reseal" in found.cure


async def test_missing_secret_key_is_found(patient):
    patient = replace(patient, settings=replace(patient.settings, secret_key=None))
    assert faults(await examine(patient))["credentials"].text == "FLOWLEDGER_SECRET_KEY is not set"


async def test_server_that_is_away_is_the_one_finding():
    patient = Patient(Settings(database_url="postgresql://nobody:x@127.0.0.1:1/none"))
    report = await examine(patient)
    assert [(each.check, each.level) for each in report.findings] == [("database", "error")]
    assert "events" in report.not_checked
    assert report.level == "error"


async def test_database_that_was_never_migrated_is_named(own_cluster):
    patient = Patient(Settings(database_url=own_cluster.url, secret_key=SECRET_KEY))
    report = await examine(patient)
    found = faults(report)
    assert "there is no role flowledger_app" in found["role"].text
    assert found["migrations"].cure == "run `flowledger migrate`"
    assert "events" in report.not_checked
    await migrate_all(own_cluster.url)
    assert faults(await examine(patient)).keys() <= OF_THE_SERVER


async def test_login_role_that_may_not_become_the_service_is_named(own_cluster):
    await migrate_all(own_cluster.url)
    await execute(own_cluster.url, "create role stranger login password 'x'")
    user = own_cluster.url.partition("//")[2].partition("@")[0]
    patient = Patient(
        Settings(database_url=own_cluster.url.replace(user, "stranger:x"), secret_key=SECRET_KEY)
    )
    found = faults(await examine(patient))
    assert "stranger is no member of flowledger_app" in found["role"].text
    assert 'grant flowledger_app to "stranger"' in found["role"].cure
    assert "session" in found


async def test_range_without_an_event_is_found(patient, url, monkeypatch):
    monkeypatch.setattr(history, "SAMPLES", 0)
    pool = await connect_pool(url)
    events = tuple(NewEvent(str(uuid4()), "RunStarted", b"{}", "tests") for _ in range(1500))
    stream = StreamAppend("a", ExpectedVersion.ANY, events)
    await Log(pool).append_one(AppendRequest("acme", (stream,)))
    await pool.close()
    await execute(url, APPEND_ONLY_OFF + "delete from log.events where position = 777")
    found = faults(await examine(patient))["events"]
    assert "events are missing within 1000 positions after 0" in found.text


async def test_session_that_makes_others_wait_is_named(patient, url, monkeypatch):
    monkeypatch.setattr(server, "MIN_WAIT_S", 0.1)
    holder, waiter = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        await holder.execute("begin; select from log.head for update")
        waiting = asyncio.create_task(waiter.execute("select from log.head for update"))

        await asyncio.sleep(2 * server.MIN_WAIT_S)
        found = faults(await examine(patient))["locks"]
        assert f"pg_terminate_backend({holder.get_server_pid()})" in found.cure
        await holder.execute("commit")
        await waiting
    finally:
        await holder.close()
        await waiter.close()


async def test_idle_holder_of_the_counter_row_is_named(patient, url, monkeypatch):
    """Each append gives up after its lock timeout, so that nobody waits for long."""
    monkeypatch.setattr(server, "MIN_WAIT_S", 0.3)
    holder, waiter, doctor = [await asyncpg.connect(url) for _ in range(3)]
    try:
        await holder.execute("begin; select from log.head for update")
        await asyncio.sleep(1.5 * server.MIN_WAIT_S)
        waiting = asyncio.create_task(waiter.execute("select from log.head for update"))
        await asyncio.sleep(0.1)
        (found,) = await server.examine_locks(doctor)
        assert f"pg_terminate_backend({holder.get_server_pid()})" in found.cure
        assert "no event can be appended" in faults(await examine(patient))["append"].text
        await holder.execute("commit")
        await waiting
    finally:
        for each in (holder, waiter, doctor):
            await each.close()


async def test_check_that_meets_a_lock_gives_up_and_the_others_go_on(patient, url):
    holder = await asyncpg.connect(url)
    try:
        await holder.execute("begin; lock table auth.credentials")
        report = await examine(patient)
    finally:
        await holder.close()
    found = faults(report)
    assert found.keys() - OF_THE_SERVER == {"credentials"}
    assert found["credentials"].text.startswith("this could not be checked")
    assert not report.not_checked


async def test_check_cannot_write(url):
    async def write(connection):
        await connection.execute("delete from executors.workers")
        return []

    connection = await asyncpg.connect(url)
    (found,) = await examination._make("careless", write, connection)
    await connection.close()
    assert "read-only transaction" in found.text


async def test_connection_lost_on_the_way_leaves_the_rest_unchecked(patient, monkeypatch):
    async def lose(connection):
        await connection.execute("select pg_terminate_backend(pg_backend_pid())")
        return []

    monkeypatch.setattr(server, "examine_locks", lose)
    report = await examine(patient)
    assert faults(report)["locks"].text.startswith("this could not be checked")
    assert "events" in report.not_checked


SERVER = {
    "major": 18,
    "version": "18.4",
    "encoding": "UTF8",
    "is_standby": False,
    "size_bytes": 0,
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"major": 14, "version": "14.9"}, "this is Postgres 14.9"),
        ({"encoding": "LATIN1"}, "in LATIN1, not UTF8"),
        ({"is_standby": True}, "a standby"),
        ({"fsync": "off"}, "fsync is off"),
        ({"full_page_writes": "off"}, "full_page_writes is off"),
        ({"autovacuum": "off"}, "autovacuum is off"),
    ],
)
def test_server_that_is_not_fit_is_named(change, text):
    assert [each.level for each in server.judge_server(SERVER)] == ["ok"]
    found = [each for each in server.judge_server(SERVER | change) if each.level != "ok"]
    assert len(found) == 1
    assert text in found[0].text
    assert found[0].cure


@pytest.mark.parametrize(
    ("most", "used", "level"), [(97, 37, "ok"), (97, 38, "warning"), (59, 0, "error")]
)
def test_connections_left_are_judged(most, used, level):
    limits = [ConnectionLimit("the server", 400, 0), ConnectionLimit("role a", most, used)]
    assert server.judge_connections(limits, 60).level == level


@pytest.mark.parametrize(
    ("skew_s", "level", "text"),
    [(4, "ok", "same time"), (60, "warning", "60 s ahead of"), (-60, "warning", "60 s behind")],
)
def test_difference_of_the_clocks_is_judged(skew_s, level, text):
    found = server.judge_clock(skew_s)
    assert (found.level, text in found.text) == (level, True)


GIB = 1024**3


@pytest.mark.parametrize(
    ("growth", "free", "level"),
    [
        (GIB, 13 * GIB, "warning"),
        (GIB, 15 * GIB, "ok"),
        (0, 0, "ok"),
        (11 * GIB, None, "warning"),
        (9 * GIB, None, "ok"),
    ],
)
def test_growth_is_judged_by_the_free_space_or_alone(growth, free, level):
    found = history.judge_growth(100 * GIB, growth, free)
    assert (found.level, found.cure is None) == (level, level == "ok")
    assert ("is not known here" in found.text) == (free is None)


async def test_growth_of_the_last_days_is_measured_against_the_disk(url, monkeypatch):
    monkeypatch.setattr(history, "EMPTY_BYTES", 0)
    monkeypatch.setattr(history.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1})())
    patient = Patient(Settings(database_url=url, secret_key=SECRET_KEY), Path("/"))
    assert "enough for 0 days" in faults(await examine(patient))["disk"].text


def test_numbers_and_workers_are_judged():
    assert state.judge_workers([]).level == "ok"
    dead = state.WorkerState("w", 8, 100.0)
    assert "takes over" in state.judge_workers([dead]).cure
    assert "goes after a day" in state.judge_workers([dead, state.WorkerState("v", 8, 1.0)]).cure
