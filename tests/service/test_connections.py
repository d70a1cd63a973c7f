"""A process says how many connections it needs, and needs no more."""

import secrets
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from service.ops.connections import TooFewConnections, needed_by
from service.runtime import ALL_ROLES, ProcessRole
from service.serving import serving
from service.settings import Settings
from tests.waiting import until

OPEN = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
"""
POOLS = ("log", "reading", "looks", "keys", "beats")
REBUILD = 10
"""A rebuild by two workers at once: its own connections, and two for each worker."""

SWITCH = 10
"""While a read model changes its version, the new pool for reading is open beside the old one."""


@pytest.fixture
def settings(database_url):
    return Settings(
        database_url=database_url,
        port=0,
        secret_key=secrets.token_bytes(32),
        flows=Path("examples").absolute(),
        drain_s=0,
        grace_s=0,
    )


@pytest.fixture
async def owner(database_url):
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("roles", [ALL_ROLES, *({role} for role in ProcessRole)], ids=sorted)
async def test_process_opens_no_more_connections_than_are_said(settings, owner, roles):
    async with serving(settings, roles) as (service, _):
        await until(lambda: service.readiness.reasons() == [])
        opened = await owner.fetchval(OPEN)
        states = [{state: sample(service, name, state) for state in STATES} for name in POOLS]
    beside = opened - sum(each["busy"] + each["idle"] for each in states)
    most = sum(each["most"] for each in states) + beside + SWITCH
    projects = ProcessRole.PROJECT in roles
    assert most + (REBUILD if projects else 0) <= needed_by(projects=projects)


STATES = ("busy", "idle", "most")


def sample(service, pool, state):
    return service.metrics.get_sample_value(
        "flowledger_pool_connections", {"pool": pool, "state": state}
    )


@pytest.mark.parametrize("what", ["database", "role"])
async def test_limit_below_the_need_refuses_the_start_with_the_number(settings, owner, what):
    name = await owner.fetchval("select current_database()")
    url, undo = settings.database_url, ""
    if what == "role":
        await owner.execute(f"create role {name} login superuser password 'x'")
        credentials = url.partition("//")[2].partition("@")[0]
        url, undo = url.replace(credentials, f"{name}:x"), f"drop role {name}"
    await owner.execute(f"alter {what} {name} connection limit 39")
    try:
        with pytest.raises(TooFewConnections, match=rf"needs up to 60 .* {what} .* allows 39"):
            async with serving(replace(settings, database_url=url)):
                pass
    finally:
        await owner.execute(undo or f"alter database {name} connection limit -1")


async def test_too_few_left_is_a_warning_with_the_numbers(settings, owner, caplog):
    name = await owner.fetchval("select current_database()")
    await owner.execute(f"alter database {name} connection limit 60")
    other = await asyncpg.connect(settings.database_url)
    async with serving(settings):
        pass
    await other.close()
    (said,) = [each.message for each in caplog.records if each.name == "flowledger.connections"]
    assert "needs up to 60 connections" in said
    assert "only" in said
