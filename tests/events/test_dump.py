"""A log that was dumped and restored elsewhere continues where it was."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from events.database import connect, connect_pool
from events.store import Log
from tests.events.builders import request


def version(program: str) -> int:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.search(r"\d+", said).group())


def restore(dump: bytes, url: str) -> None:
    command = ["psql", "--quiet", "--set=ON_ERROR_STOP=1", url]
    subprocess.run(command, input=dump, check=True, capture_output=True)


def dumped(url: str) -> bytes:
    return subprocess.run(["pg_dump", "--no-owner", url], check=True, capture_output=True).stdout


@pytest.fixture
async def dump(owner, log, database_url):
    for program in ("pg_dump", "psql"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed here")
    server = owner.get_server_version().major
    if version("pg_dump") < server:
        pytest.skip(f"pg_dump {version('pg_dump')} is too old for the server, which is {server}")
    await log.append([request("a", 0, 3, key="k"), request("b", 0)])
    return dumped(database_url)


async def test_restored_log_continues_at_its_head(dump, log, empty_database_url):
    restore(dump, empty_database_url)
    before = await log.read(0, 100)
    pool = await connect_pool(empty_database_url)
    restored = Log(pool)
    assert await restored.read(0, 100) == before
    again, conflict, appended = await restored.append(
        [request("a", 0, 3, key="k"), request("a", 0), request("a", 3, 2)]
    )
    assert again.duplicate
    assert replace(conflict) == type(conflict)("t", "a", 0, 3)
    assert (appended.first_position, appended.events[-1].version) == (5, 5)
    assert [event.position for event in await restored.read(4, 10)] == [5, 6]
    await pool.close()


async def test_restored_log_still_refuses_changes(dump, empty_database_url):
    restore(dump, empty_database_url)
    connection = await connect(empty_database_url, role=None)
    triggers = await connection.fetchval(
        "select count(*) from pg_trigger where tgname like 'refuse%' and tgenabled = 'O'"
    )
    assert triggers == 2 + 3 * 2 + 3
    await connection.close()
