"""A database that lost its tail under running processes: they end, and a new start is right."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from events.database import connect
from service.serving import REPLACED_STATUS
from tests.acceptance.ledger import Client, Ledger, Process
from tests.postgres import OwnCluster

FLOW = "example.EXTERNAL"
NOTICED_S = 20.0
"""Far more than it takes on a quiet machine; `make torture-faults` prints how long that is."""


@pytest.fixture
def restorable(own_cluster: OwnCluster, tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(own_cluster.url, tmp_path)
    ledger.set_up()
    yield ledger
    ledger.close()


class Load:
    """Starts runs through two processes without a pause, and keeps what was acknowledged."""

    def __init__(self, ledger: Ledger, processes: Sequence[Process]) -> None:
        self._ledger, self._processes = ledger, processes
        self.runs: list[dict[str, Any]] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(Client(self._ledger, process))
                for process in self._processes
                for _ in range(4)
            ]
            tasks = [asyncio.create_task(self._start(client)) for client in clients]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _start(self, client: Client) -> None:
        while True:
            with contextlib.suppress(AssertionError, aiohttp.ClientError):
                self.runs.append(await client.start(FLOW))
            await asyncio.sleep(0.01)

    async def more(self, count: int) -> None:
        wanted = len(self.runs) + count
        async with asyncio.timeout(60):
            while len(self.runs) < wanted:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.01)


async def test_two_processes_end_when_their_log_lost_its_tail_and_a_new_start_is_right(
    restorable: Ledger, own_cluster: OwnCluster, tmp_path: Path
) -> None:
    processes = [await restorable.serve(), await restorable.serve()]
    load = Load(restorable, processes)
    async with load.running():
        await load.more(50)
        await asyncio.to_thread(own_cluster.save, tmp_path / "saved")
        await load.more(150)
        await asyncio.to_thread(own_cluster.put_back, tmp_path / "saved")
        reasons = await asyncio.gather(*map(reason_of, processes))
    assert all("replaced by an older copy" in reason for reason in reasons)
    assert [await ended(process) for process in processes] == [REPLACED_STATUS] * 2
    assert "CRITICAL" in processes[0].log.read_text().upper()
    await check_after_restart(restorable, own_cluster.url)


async def test_log_that_grew_past_the_old_head_is_noticed(
    restorable: Ledger, own_cluster: OwnCluster, tmp_path: Path
) -> None:
    first = await restorable.serve()
    load = Load(restorable, [first])
    async with load.running():
        await load.more(20)
        await asyncio.to_thread(own_cluster.save, tmp_path / "saved")
        await load.more(20)
    assert first.popen is not None
    first.popen.send_signal(signal.SIGSTOP)
    await asyncio.to_thread(own_cluster.put_back, tmp_path / "saved")
    second = await restorable.serve()
    other = Load(restorable, [second])
    async with other.running():
        await other.more(60)
    first.popen.send_signal(signal.SIGCONT)
    assert "replaced by an older copy" in await reason_of(first)
    assert await ended(first) == REPLACED_STATUS
    assert second.stop() == 0
    await check_after_restart(restorable, own_cluster.url)


async def test_read_model_beyond_the_log_refuses_the_start_and_a_rebuild_cures_it(
    restorable: Ledger, own_cluster: OwnCluster
) -> None:
    process = await restorable.serve()
    load = Load(restorable, [process])
    async with load.running():
        await load.more(20)
    assert process.stop() == 0
    owner = await connect(own_cluster.url, role=None)
    await owner.execute(
        "update projections.checkpoints set position = position + 50 where name = 'executions'"
    )
    await owner.close()
    refused = restorable.attempt("serve")
    assert refused.returncode == 1
    assert "executions_v1 applied events beyond the end of the log" in refused.stderr
    assert "run `flowledger projections rebuild executions`" in refused.stderr
    restorable.run("projections", "rebuild", "executions")
    await check_after_restart(restorable, own_cluster.url)


async def reason_of(process: Process) -> str:
    """Wait until a process says why it is not ready, or has ended; give what it says."""
    assert process.popen is not None
    async with aiohttp.ClientSession() as session, asyncio.timeout(NOTICED_S):
        while process.popen.poll() is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{process.url}/health/ready") as response:
                    text = await response.text()
                    if response.status == 503 and "replaced" in text:
                        return process.log.read_text()
            await asyncio.sleep(0.05)
    return process.log.read_text()


async def ended(process: Process) -> int:
    assert process.popen is not None
    return await asyncio.to_thread(process.popen.wait, NOTICED_S)


async def check_after_restart(ledger: Ledger, url: str) -> None:
    """The log, the read models and the run numbers are those of one history."""
    process = await ledger.serve()
    load = Load(ledger, [process])
    async with load.running():
        await load.more(150)
    async with Client(ledger, process) as client:
        for name in ("executions", "workflows", "listings", "load_plans", "dispatch"):
            assert "rows agree" in ledger.run("projections", "verify", name)
        newest = await client.api("GET", f"/v1/runs?flow={FLOW}&limit=1")
        assert newest["runs"]
    connection = await connect(url)
    try:
        doubled = await connection.fetch(DOUBLED_NUMBERS)
        phantoms = await connection.fetch(PHANTOM_ROWS)
    finally:
        await connection.close()
    assert doubled == []
    assert phantoms == []
    assert process.stop() == 0


DOUBLED_NUMBERS = """
select convert_from(body, 'UTF8')::json ->> 'run_number' as run_number, count(*)
from log.events where type = 'RunQueued' group by 1 having count(*) > 1
"""
PHANTOM_ROWS = """
select e.run_id from executions_v1.executions e
where not exists (select 1 from log.streams s where s.stream = 'run:' || e.run_id)
"""
