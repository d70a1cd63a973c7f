"""A rebuild that is killed, fails, is refused or cancelled leaves nothing half done."""

import asyncio
import os
import random
import signal
import sys
from contextlib import suppress
from dataclasses import replace

import asyncpg
import pytest

from events import types
from projections.bulk import segments
from projections.errors import NoSuchReadModel, RebuildFailed, RebuildRefused
from projections.read_models.executions import apply as executions
from projections.rebuild.jobs import find, request_cancel, request_rebuild
from projections.rebuild.phases import Cancelled
from projections.rebuild.start import rebuild
from projections.registry import serving_numbers, status
from tests.kit.duration import times
from tests.projections.histories import History
from tests.projections.rebuild.conftest import BY_NAME, OPTIONS, busy_ledger, rebuilt, told
from tests.projections.test_runner import _skip, busy
from tests.waiting import until


@pytest.fixture
def small_segments(monkeypatch):
    monkeypatch.setattr(segments, "MAX_EVENTS", 40)
    monkeypatch.setattr(segments, "BUCKET_SIZE", 10)


async def test_an_unknown_read_model_is_refused(able):
    with pytest.raises(NoSuchReadModel, match=r"nothing.*dispatch, executions"):
        await rebuilt(able, "nothing")


async def test_concurrent_rebuild_of_one_read_model_is_refused(able):
    await request_rebuild(able.pool, BY_NAME["executions"], OPTIONS)

    with pytest.raises(RebuildRefused, match="already, as version 2, by ann: waiting"):
        await request_rebuild(able.pool, BY_NAME["executions"], OPTIONS)


async def test_rebuild_by_an_older_release_is_refused(able):
    await able.pool.execute(
        "update projections.checkpoints set schema_version = 2 where name = 'listings'"
    )

    with pytest.raises(RebuildRefused, match="has schema version 2, newer than 1"):
        await rebuilt(able, "listings")


async def test_two_read_models_are_rebuilt_concurrently(able, small_segments):
    async with busy_ledger(able):
        await asyncio.gather(rebuilt(able, "workflows"), rebuilt(able, "listings"))
        for name in ("workflows", "listings"):
            assert await able.tables(BY_NAME[name], 2) == await able.tables(BY_NAME[name], 1)


@pytest.mark.parametrize("events", ["none", "one", "unmatched"])
async def test_log_with_little_or_nothing_to_fold_is_rebuilt(able, events):
    history = History()
    if events != "none":
        history.note("administration", types.KEY_CREATED, tenant="*", id="k")
    if events == "unmatched":
        for _ in range(300):
            history.note("administration", types.KEY_CREATED, tenant="*", id="k")
    if history.events:
        await able.write(history)
    done = await asyncio.wait_for(rebuilt(able, "executions"), 60)

    assert (done.phase, done.result["rows"]) == ("finished", {"executions": 0})


async def test_rebuild_stopped_by_an_event_resumes_after_a_skip(able, small_segments):
    history = busy(30)
    history.tell(types.TASK_STARTED, 20, task="NOWHERE")
    at = len(history.events)
    history.queue(500)
    await able.write(history)
    with pytest.raises(RebuildFailed, match="workflows cannot apply positions"):
        await rebuilt(able, "workflows")

    failed = await find(able.pool, "workflows")
    assert (failed.phase, failed.stopped_in, failed.error_position) == ("failed", "folding", at)
    assert (await serving_numbers(able.pool))["workflows"] == 1
    _skip(history, "workflows", 2, at)
    await able.write(history, after=at + 1)
    done = await rebuilt(able, "workflows")
    assert (done.rebuild_id, done.phase) == (failed.rebuild_id, "finished")


async def test_rebuild_replaces_a_paused_version(able):
    history = busy(20)
    head = await able.write(history)
    async with able.applying():
        await able.reach(head)
        await able.pool.execute(
            "update projections.checkpoints set state = 'paused', error = 'x', error_position = 9,"
            " position = 8 where name = 'executions'"
        )
        done = await rebuilt(able, "executions")

    assert done.phase == "finished"
    assert (await serving_numbers(able.pool))["executions"] == 2


async def test_rebuild_does_not_wait_for_a_serving_version_far_behind(able, monkeypatch):
    monkeypatch.setattr("projections.rebuild.phases.MAX_LAG_TO_COMPARE", 10)
    history = busy(20)
    head = await able.write(history)
    holding = await asyncpg.connect(able.url)
    transaction = holding.transaction()
    await transaction.start()
    # As after an import: what answers is at the beginning, and stays there.
    await holding.execute(
        "select from projections.checkpoints where name = 'executions' for update"
    )
    async with asyncio.TaskGroup() as group:
        work = group.create_task(rebuilt(able, "executions"))
        await until(lambda: _verifies(able), 20)
        await asyncio.sleep(0.5)
        await transaction.rollback()
    done = work.result()
    await holding.close()

    assert (done.phase, done.result["alike"]) == ("finished", None)
    assert done.result["position"] >= head
    assert (await serving_numbers(able.pool))["executions"] == 2


async def _verifies(ledger) -> bool:
    found = await find(ledger.pool, "executions")
    return found is not None and found.phase == "verifying"


async def test_version_with_an_edited_row_is_replaced_and_reported_as_wrong(able):
    async with busy_ledger(able):
        await able.pool.execute(
            "update executions_v1.executions set document ="
            " convert_to(replace(convert_from(document, 'UTF8'), '\"ops\"', '\"eve\"'), 'UTF8')"
        )
        done = await rebuilt(able, "executions")

    assert done.result["alike"] is False
    rows = await able.pool.fetch("select document from executions_v2.executions")
    assert not [row for row in rows if b'"eve"' in row["document"]]


async def test_full_disk_leaves_the_old_version_serving_and_the_rebuild_resumes(
    able, small_segments
):
    async with busy_ledger(able):
        await _administer(able.url, FULL)
        with pytest.raises(RebuildFailed, match="No space left on device"):
            await rebuilt(able, "executions")
        assert (await serving_numbers(able.pool))["executions"] == 1
        failed = await find(able.pool, "executions")
        assert (failed.phase, failed.stopped_in) == ("failed", "folding")
        assert 0 < failed.folded < failed.target
        await _administer(able.url, "drop function full_disk() cascade")
        done = await rebuilt(able, "executions")
        assert done.new_version == failed.new_version
        tables = BY_NAME["executions"]
        assert await able.tables(tables, 2) == await able.tables(tables, 1)


def emptied(states, changed):
    """Columns of `executions` with one document that is not what the log tells."""
    columns = executions.columns(states, changed)
    columns[-1][:1] = [b"{}"] * len(columns[-1][:1])
    return columns


async def test_version_that_differs_from_the_log_does_not_serve(able):
    async with busy_ledger(able):
        wrong = replace(BY_NAME["executions"], columns=emptied)
        with pytest.raises(RebuildFailed, match="is not what the log says"):
            await rebuild(able.url, "executions", OPTIONS, [wrong])

        assert (await serving_numbers(able.pool))["executions"] == 1
        assert (await rebuilt(able, "executions")).new_version == 3
        rows = [row["version"] for row in await status(able.pool) if row["name"] == "executions"]
        assert rows == [1, 3]


FULL = """
    create function full_disk() returns trigger language plpgsql as $$
    begin
        raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end $$;
    create function fill_disk() returns event_trigger language plpgsql as $$
    begin
        if to_regclass('executions_v2.executions') is not null then
            create trigger full_disk after insert on executions_v2.executions for each row
                when (new.queued_position > 150) execute function public.full_disk();
        end if;
    end $$;
    create event trigger fill_disk on ddl_command_end when tag in ('CREATE TABLE')
        execute function fill_disk();
"""


async def _administer(url, statements) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statements)
    await connection.close()


async def test_cancelled_rebuild_leaves_nothing_behind(able, small_segments):
    async with busy_ledger(able):
        work = asyncio.create_task(rebuilt(able, "executions", rate=20))
        await until(lambda: _in_phase(able, "executions", "folding"))
        await request_cancel(able.pool, "executions")
        with pytest.raises(Cancelled):
            await work

        assert (await serving_numbers(able.pool))["executions"] == 1
        rows = [row["version"] for row in await status(able.pool) if row["name"] == "executions"]
        assert rows == [1]
        assert (await told(able))[-1]["outcome"] == "cancelled"
        assert (await rebuilt(able, "executions")).new_version == 3


async def _in_phase(ledger, name, phase) -> bool:
    found = await find(ledger.pool, name)
    return found is not None and found.phase == phase


CHILD = """
import asyncio, sys
from projections.bulk import segments
from projections.rebuild.jobs import RebuildOptions
from projections.rebuild.start import rebuild
segments.MAX_EVENTS, segments.BUCKET_SIZE = 40, 10
if __name__ == "__main__":
    asyncio.run(rebuild(sys.argv[1], sys.argv[2], RebuildOptions("ann", "cli", workers=1)))
"""


@pytest.mark.torture
async def test_killed_rebuild_resumes_to_the_same_rows(able, tmp_path):
    """Acceptance R-2."""
    await killed_and_resumed(able, tmp_path, kills=times(3, 50))


async def killed_and_resumed(ledger, tmp_path, kills) -> None:
    script = tmp_path / "rebuilding.py"
    script.write_text(CHILD)
    chance = random.Random(7)
    async with busy_ledger(ledger):
        for _ in range(kills):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                script,
                ledger.url,
                "listings",
                env={**os.environ, "PYTHONPATH": "."},
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), chance.uniform(0.5, 4.0))
            if process.returncode is None:
                process.kill()
            # Its own end is success: a child that died at once would prove nothing.
            assert await process.wait() in {0, -signal.SIGKILL}
        done = await _once_free(ledger, "listings")
        last = done.new_version
        listings = BY_NAME["listings"]
        assert await ledger.tables(listings, last) == await ledger.tables(
            listings, done.from_version
        )


async def _once_free(ledger, name):
    """Rebuild as soon as the killed one's connection is gone."""
    found = []

    async def free() -> bool:
        found.append(await rebuilt(ledger, name))
        return found[-1] is not None

    await until(free)
    return found[-1]
