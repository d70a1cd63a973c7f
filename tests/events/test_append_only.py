"""Stored events cannot be changed: by trigger, and by privilege."""

import asyncpg
import pytest

from tests.events.builders import request

CHANGES = [
    "update log.events set actor = 'me'",
    "update log.events set actor = 'me' where position < 0",
    "delete from log.events",
    "delete from log.events where position = 1",
    "truncate log.events",
    "truncate log.events cascade",
    "update log.events_000000 set actor = 'me'",
    "delete from log.events_000000",
    "truncate log.events_000000",
    "delete from log.head",
    "truncate log.head",
    "delete from log.streams",
    "truncate log.streams",
    "update log.event_ids set position = 7",
    "delete from log.event_ids",
    "truncate log.event_ids",
]
WRITES = [
    "update log.head set position = 7",
    "update log.streams set version = 7",
    "update log.idempotency set first_position = 7",
    "delete from log.idempotency",
    "insert into log.head (single, position, recorded_at) values (false, 0, now())",
    "insert into log.events select * from log.events",
    "insert into log.streams select * from log.streams",
    "insert into log.event_ids select gen_random_uuid(), 1",
    "insert into log.idempotency values ('t', 'k', '', 1, 1, now())",
    "create table log.mine (a int)",
    "drop table log.events",
    "alter table log.events disable trigger all",
    "alter table log.events detach partition log.events_000000",
    "set session_replication_role = replica",
    "create or replace function log.refuse() returns trigger language sql as ''",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_trigger_refuses_changes_by_the_owner(log, owner, change):
    await log.append([request(key="k")])
    with pytest.raises(asyncpg.RestrictViolationError, match="the log is append-only"):
        await owner.execute(change)


@pytest.mark.parametrize("change", CHANGES + WRITES)
async def test_service_role_has_no_right_to_change_rows(log, app, change):
    await log.append([request(key="k")])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(change)


async def test_service_role_may_only_read_append_and_create_partitions(app):
    rows = await app.fetch(
        'select distinct proname collate "C" as proname from pg_proc'
        " where pronamespace = 'log'::regnamespace"
        " and has_function_privilege(oid, 'execute') order by proname"
    )
    assert [row["proname"] for row in rows] == [
        "append",
        "ensure_partitions",
        "leaf_1",
        "length_prefixed",
        "micros",
        "probe",
    ]


async def test_other_roles_have_no_rights(owner):
    grants = await owner.fetch(
        "select p.proname"
        " from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        " where p.pronamespace = 'log'::regnamespace and a.grantee = 0"
    )
    assert grants == []
    assert not await owner.fetchval("select has_schema_privilege('public', 'log', 'usage')")
