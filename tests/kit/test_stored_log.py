"""Each way in which a log can differ from its acknowledged appends is counted."""

import signal

import pytest

from events.database import connect, connect_pool
from events.store import Log
from tests.kit.processes import Process
from tests.kit.stored_log import Accounts, examine
from tests.kit.writer import register_flow
from tests.waiting import until


@pytest.fixture
async def notes(database_url, tmp_path):
    """What two writers noted: one was killed, one ended well."""
    pool = await connect_pool(database_url)
    log = Log(pool)
    await register_flow(log)
    files = [tmp_path / "killed", tmp_path / "ended"]
    killed, ended = (Process("tests.kit.writer", database_url, str(file)) for file in files)
    for writer in (killed, ended):
        await writer.start()
        assert await writer.line() == "writes"
    await until(lambda: _written(log, 300))
    await killed.kill()
    assert killed.ended == -signal.SIGKILL
    assert await ended.finish() == 0
    await pool.close()
    return files


async def _written(log: Log, events: int) -> bool:
    return await log.head() >= events


async def damage(url: str, statement: str) -> None:
    owner = await connect(url, role=None)
    await owner.execute("set session_replication_role = replica")
    await owner.execute(statement)
    await owner.close()


async def faults(url, notes) -> set[str]:
    found = await examine(url, notes)
    assert found.events > 290
    assert found.acknowledged > 60
    told = {name for name in Accounts.__annotations__ if getattr(found, name)}
    return told - {"events", "acknowledged"}


async def test_acknowledged_appends_of_killed_writers_are_stored(database_url, notes):
    assert await faults(database_url, notes) == set()


DAMAGE = {
    "delete from log.events where position = 20": {"torn", "sparse"},
    "delete from log.events where correlation_id = '{noted}'": {"lost", "sparse"},
    "update log.events set version = 99 where position = 20": {"disordered"},
    "update log.events set recorded_at = 'epoch' where position = 20": {"disordered"},
    "update log.head set position = position + 1": {"sparse"},
    """insert into log.events select position + 1000000, tenant, stream, version + 100, event_id,
        type, schema_version, body, metadata, actor, correlation_id, causation_id,
        idempotency_key, occurred_at, recorded_at, leaf_hash
        from log.events where position = 20""": {"doubled", "sparse"},
}


@pytest.mark.parametrize("statement", DAMAGE, ids=range(len(DAMAGE)))
async def test_examine_counts_each_kind_of_damage(database_url, notes, statement):
    noted = notes[1].read_text().split()[0]
    await damage(database_url, statement.format(noted=noted))
    assert await faults(database_url, notes) >= DAMAGE[statement]
