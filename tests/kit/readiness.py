"""Faults of a database, and a watch on what a process says of its readiness meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from tests.postgres import OwnCluster
from tests.waiting import until

TOLD_WITHIN_S = 3.0
"""How long starts may fail before the process must say that it is not ready."""

SAMPLE_S = 0.05
STARTERS = 2
DISK_FULL = """
    create function public.full_disk() returns trigger language plpgsql as $$
    begin
        raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end $$;
    create trigger full_disk before insert on log.events for each row
        execute function public.full_disk();
"""

Fault = Callable[[OwnCluster], AbstractAsyncContextManager[None]]


async def _administer(cluster: OwnCluster, *statements: str) -> None:
    connection = await asyncpg.connect(cluster.url, timeout=10)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close(timeout=5)


@contextlib.asynccontextmanager
async def locked_counter_row(cluster: OwnCluster) -> AsyncIterator[None]:
    connection = await asyncpg.connect(cluster.url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.fetch("select from log.head for update")
        yield
    finally:
        await transaction.rollback()
        await connection.close()


@contextlib.asynccontextmanager
async def full_disk(cluster: OwnCluster) -> AsyncIterator[None]:
    """As Postgres says it; what fits into pages that are there can still be written."""
    await _administer(cluster, DISK_FULL)
    try:
        yield
    finally:
        await _administer(cluster, "drop function public.full_disk() cascade")


@contextlib.asynccontextmanager
async def read_only(cluster: OwnCluster) -> AsyncIterator[None]:
    setting = "alter system set default_transaction_read_only"
    await _administer(cluster, f"{setting} = on", "select pg_reload_conf()")
    try:
        yield
    finally:
        writable = "set default_transaction_read_only = off"
        await _administer(cluster, writable, f"{setting} = off", "select pg_reload_conf()")


@contextlib.asynccontextmanager
async def schema_out_of_reach(cluster: OwnCluster) -> AsyncIterator[None]:
    await _administer(cluster, "revoke usage on schema log from flowledger_app")
    try:
        yield
    finally:
        await _administer(cluster, "grant usage on schema log to flowledger_app")


@contextlib.asynccontextmanager
async def renamed_schema(cluster: OwnCluster) -> AsyncIterator[None]:
    """As after a restore that left the schema out."""
    await _administer(cluster, "alter schema log rename to log_elsewhere")
    try:
        yield
    finally:
        await _administer(cluster, "alter schema log_elsewhere rename to log")


@contextlib.asynccontextmanager
async def stopped_server(cluster: OwnCluster) -> AsyncIterator[None]:
    """All its processes stand still: connections stay open, and nobody answers."""
    stopped = cluster.processes()
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


@contextlib.asynccontextmanager
async def no_server(cluster: OwnCluster) -> AsyncIterator[None]:
    await asyncio.to_thread(cluster.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.start)


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        locked_counter_row,
        full_disk,
        read_only,
        schema_out_of_reach,
        renamed_schema,
        stopped_server,
        no_server,
    )
}


@dataclass
class Watch:
    """Starts runs without a pause, and compares what happens to them with `/health/ready`."""

    address: str
    token: str
    flow: str
    wrong_s: float = 0.0
    """Seconds of "ready" after which a start failed too, as all had for over `TOLD_WITHIN_S`."""
    started: int = 0
    slowest_answer_s: float = 0.0
    ready: bool = False
    codes: set[str] = field(default_factory=set)
    """Every reason given so far."""
    _failing_since: float | None = None
    _doubtful: list[tuple[float, float]] = field(default_factory=list)
    """When "ready" was said since the first of these failures, and for how many seconds."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Watch]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(self.address) as session:
            tasks = [asyncio.create_task(self._sample(session))]
            tasks += [asyncio.create_task(self._start(session, headers)) for _ in range(STARTERS)]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                for ended in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(ended, Exception):
                        raise ended

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _start(self, session: aiohttp.ClientSession, headers: dict[str, str]) -> None:
        while True:
            began, succeeded = self._now(), False
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                body: dict[str, Any] = {"flow": self.flow}
                async with session.post("/v1/runs", json=body, headers=headers) as response:
                    await response.read()
                    succeeded = response.status == 201
            self._note_start(began, succeeded=succeeded)
            await asyncio.sleep(SAMPLE_S)

    def _note_ready(self, said: float, s: float) -> None:
        if self._failing_since is not None:
            self._doubtful.append((said, s))

    def _note_start(self, began: float, *, succeeded: bool) -> None:
        if succeeded:
            self.started += 1
            self._failing_since = None
            self._doubtful.clear()
            return
        if self._failing_since is None:
            self._failing_since = began
        told_by = self._failing_since + TOLD_WITHIN_S
        # What was said after this start had begun may yet be true: the next start will tell.
        self.wrong_s += sum(s for said, s in self._doubtful if told_by < said <= began)
        self._doubtful = [(said, s) for said, s in self._doubtful if said > began]

    async def _sample(self, session: aiohttp.ClientSession) -> None:
        before = self._now()
        while True:
            asked = self._now()
            try:
                async with session.get("/health/ready") as response:
                    self.ready = response.status == 200
                    self.codes |= set((await response.json())["reasons"])
            except aiohttp.ClientError:
                self.ready = False
            now = self._now()
            self.slowest_answer_s = max(self.slowest_answer_s, now - asked)
            if self.ready:
                self._note_ready(now, now - before)
            before = now
            await asyncio.sleep(SAMPLE_S)

    async def until_ready(self) -> None:
        await until(lambda: self.ready)

    async def until_unready(self) -> None:
        await until(lambda: not self.ready)

    async def until_started(self) -> None:
        """Wait until one more run could be started."""
        before = self.started
        await until(lambda: self.started > before)
