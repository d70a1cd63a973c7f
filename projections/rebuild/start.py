"""Starts and resumes rebuilds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from events.database import load, translate_errors
from projections.errors import NoSuchReadModel, RebuildRefused
from projections.projection import Projection
from projections.rebuild import jobs
from projections.rebuild.jobs import Rebuild, RebuildOptions
from projections.rebuild.phases import Phases, run_phases
from projections.rebuild.session import RebuildSession, acquire_session

_SQL: Final = Path(__file__).parents[1] / "sql"


async def rebuild(
    url: str, name: str, options: RebuildOptions, known: Iterable[Projection] | None = None
) -> Rebuild | None:
    """Rebuild a read model, or resume its rebuild; None if another process is working on it.

    Raises:
        NoSuchReadModel: there is none of this name.
        RebuildRefused: the serving schema version is newer than this release's.
        RebuildFailed: it stopped; says why. The next call resumes it.
        LogError: the database does not answer.
    """
    async with acquire_session(url, name, known) as session:
        if session is None:
            return None
        if name not in session.newest:
            raise NoSuchReadModel(name, sorted(session.newest))
        newest = session.newest[name]
        with translate_errors():
            await _drop_stale(session, name)
            before = await jobs.find(session.connection, name)
            if before is not None and before.open and before.schema_version > newest.schema_version:
                raise RebuildRefused(
                    f"{name} is being rebuilt in schema version {before.schema_version}, which this"
                    " release does not know: use the newer one"
                )
            if before is None or not before.open or before.phase == "failed":
                found = await jobs.request_rebuild(session.connection, newest, options)
                await _start_over_after_skips(session, before, found)
        return await run_phases(session, name)


async def resume(url: str, name: str, known: Iterable[Projection] | None = None) -> None:
    """Resume an unattended rebuild, if there is one.

    Raises:
        RebuildFailed: it stopped; says why.
        LogError: the database does not answer.
    """
    async with acquire_session(url, name, known) as session:
        if session is None:
            return
        found = await jobs.find(session.connection, name)
        if found is not None and found.open and found.phase != "failed":
            await run_phases(session, name)


async def _drop_stale(session: RebuildSession, name: str) -> None:
    """Cancel an open rebuild that is outdated or failed to verify; drop leftover versions."""
    found = await jobs.find(session.connection, name)
    projection = session.newest.get(name)
    if found is not None and found.open and projection is not None:
        outdated = found.schema_version < projection.schema_version
        failed_to_verify = found.stopped_in == "verifying"
        if found.phase != "flipping" and (outdated or failed_to_verify):
            await Phases(session).cancel(found)
    for (number,) in await session.connection.fetch(load(_SQL, "idle_versions"), name):
        await session.fetchval("drop_version", name, number)


async def _start_over_after_skips(
    session: RebuildSession, before: Rebuild | None, found: Rebuild
) -> None:
    """Build from the start if an event may be skipped by now that initial counts include."""
    counts = session.newest[found.name].counters is not None
    if counts and before is not None and before.error_position and found.phase == "folding":
        async with session.connection.transaction():
            await session.fetchval("drop_version", found.name, found.new_version)
            await session.fetchval("drop_segments", found.rebuild_id)
            phases = ("folding", "waiting")
            await session.fetchval("move_rebuild", found.rebuild_id, *phases, None, None)
