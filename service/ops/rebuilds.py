"""Rebuilds that operators request; each runs in a child process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

import structlog

from events.database import Pool
from events.errors import LogError
from projections.errors import NoRebuildInProgress, RebuildRefused
from projections.projection import Projection
from projections.rebuild import jobs
from projections.rebuild.jobs import Rebuild, RebuildOptions
from projections.rebuild.rollback import roll_back
from service.access import Origin
from service.errors import NotFound, OperationConflict, UnknownReadModel

POLL_S: Final = 1.0
"""Seconds between two checks for rebuilds that no process works on."""

_log = structlog.get_logger(__name__)


class Rebuilds:
    """The rebuilds of a ledger's read models."""

    def __init__(self, url: str, pool: Pool, newest: tuple[Projection, ...]) -> None:
        self._url = url
        self._pool = pool
        self._newest = {projection.name: projection for projection in newest}

    async def start(
        self, name: str, origin: Origin, *, workers: int | None = None, rate: int | None = None
    ) -> Rebuild:
        """Request a rebuild; a process with the role `project` starts it within a second.

        Raises:
            UnknownReadModel: there is no read model of this name.
            OperationConflict: one is in progress, or the serving schema version is newer.
            LogUnavailable: the database does not answer.
        """
        options = RebuildOptions(origin.actor, origin.source, workers=workers, rate=rate)
        projection = self._find(name)
        try:
            return await jobs.request_rebuild(self._pool, projection, options)
        except RebuildRefused as error:
            raise OperationConflict(str(error)) from error

    async def progress(self, name: str) -> Rebuild:
        """Return the newest rebuild of a read model with its progress.

        Raises:
            UnknownReadModel: there is no read model of this name.
            NotFound: it was never rebuilt.
            LogUnavailable: the database does not answer.
        """
        self._find(name)
        found = await jobs.find(self._pool, name)
        if found is None:
            raise NotFound(f"{name} was never rebuilt")
        return found

    async def cancel(self, name: str) -> Rebuild:
        """Request that the process of a rebuild cancels it.

        Raises:
            UnknownReadModel: there is no read model of this name.
            OperationConflict: no rebuild is in progress.
            LogUnavailable: the database does not answer.
        """
        self._find(name)
        try:
            await jobs.request_cancel(self._pool, name)
        except NoRebuildInProgress as error:
            raise OperationConflict(str(error)) from error
        return await self.progress(name)

    async def roll_back(self, name: str, origin: Origin) -> Rebuild:
        """Switch back to the previous version.

        Raises:
            UnknownReadModel: there is no read model of this name.
            OperationConflict: there is no previous version, or a rebuild is in progress.
            LogError: the database does not answer.
        """
        self._find(name)
        try:
            return await roll_back(self._url, name, RebuildOptions(origin.actor, origin.source))
        except RebuildRefused as error:
            raise OperationConflict(str(error)) from error

    def _find(self, name: str) -> Projection:
        if name not in self._newest:
            raise UnknownReadModel(name, None, sorted(self._newest))
        return self._newest[name]

    async def run(self) -> None:
        """Continue unattended rebuilds, each in a child process, until cancelled."""
        running: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for name in await self._unattended():
                        if name not in running or running[name].done():
                            running[name] = group.create_task(self._run_child(name))
                    await asyncio.sleep(POLL_S)
        finally:
            running.clear()

    async def _unattended(self) -> list[str]:
        try:
            found = await jobs.find_unattended(self._pool)
        except LogError as error:
            _log.warning("cannot read the requested rebuilds", error=str(error))
            return []
        # A rebuild in another schema version is left to the release that requested it.
        return [
            name
            for name, schema_version in found.items()
            if name in self._newest and self._newest[name].schema_version == schema_version
        ]

    async def _run_child(self, name: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "projections.rebuild",
            name,
            stdin=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None  # noqa: S101 - it was asked for
        try:
            process.stdin.write(f"{self._url}\n".encode())
            code = await process.wait()
        finally:
            # The child ends when its input ends; the next process continues the rebuild.
            process.stdin.close()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        _log.info("rebuild process ended", projection=name, exit_status=code)
