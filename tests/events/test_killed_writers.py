"""Writing processes are killed at every step around the append, alone and with Postgres."""

import signal

import pytest

from events.database import connect_pool
from events.store import Log
from tests import postgres
from tests.kit.duration import times
from tests.kit.killer import Killer
from tests.kit.processes import Process
from tests.kit.stored_log import examine
from tests.kit.writer import register_flow

POINTS = (
    "before events.batcher.Batcher.append",
    "before events.store.Log.append",
    "after events.store.Log.append",
    "after events.batcher.Batcher.append",
)


async def prepare(url: str) -> None:
    pool = await connect_pool(url)
    await register_flow(Log(pool))
    await pool.close()


async def assert_whole(url: str, *notes) -> None:
    """What was acknowledged is there, where it was said to be; the rest is all or nothing."""
    found = await examine(url, notes)
    assert found.events > found.acknowledged > 0
    faults = (found.lost, found.torn, found.doubled, found.disordered, found.sparse)
    assert faults == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("point", POINTS)
async def test_writer_killed_at_any_step_leaves_all_or_nothing(database_url, tmp_path, point):
    """A writer dies before the append, in it, or before it answers."""
    await prepare(database_url)
    for call in (20, 43, 70):
        doomed = Process(
            "tests.kit.crash_points",
            f"{point} {call}",
            "tests.kit.writer",
            database_url,
            str(tmp_path / "notes"),
        )
        await doomed.start()
        assert await doomed.wait() == -signal.SIGKILL
    await assert_whole(database_url, tmp_path / "notes")


@pytest.mark.torture
async def test_writers_and_postgres_killed_together_lose_nothing(own_cluster, tmp_path):
    """Processes, backends and the whole server are killed in turn."""
    await postgres.migrate_whole(own_cluster.url)
    await prepare(own_cluster.url)
    killer = Killer()
    notes = [tmp_path / str(number) for number in range(4)]
    writers = [Process("tests.kit.writer", own_cluster.url, str(file)) for file in notes]
    for writer in writers:
        await writer.start()
        assert await writer.line() == "writes"
    for _ in range(times(1, 8)):
        await killer.pause(0.5)
        await (await killer.process(writers)).start()
        await killer.backend(own_cluster)
        await killer.pause(1)
        await killer.postgres(own_cluster)
    for writer in writers:
        assert await writer.finish() == 0
    await assert_whole(own_cluster.url, *(file for file in notes if file.exists()))
