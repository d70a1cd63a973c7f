"""Rolls a read model back to its previous version, which the runners keep up to date."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from events.database import translate_errors
from events.envelope import Position
from projections.errors import NoSuchReadModel, RebuildRefused
from projections.projection import Projection
from projections.rebuild import jobs
from projections.rebuild.flip import drop_previous, flip
from projections.rebuild.jobs import Rebuild, RebuildOptions
from projections.rebuild.phases import run_phases
from projections.rebuild.session import RebuildSession, acquire_session
from projections.rebuild.version_sync import VersionPair
from projections.registry import read_registry


async def roll_back(
    url: str, name: str, options: RebuildOptions, known: Iterable[Projection] | None = None
) -> Rebuild:
    """Make the previous version serve again; the current one becomes the previous version.

    Raises:
        NoSuchReadModel: there is none of this name.
        RebuildRefused: there is no previous version, it is paused or far behind, this release does
            not know its schema version, or a rebuild is in progress.
        LogError: the database does not answer.
    """
    async with acquire_session(url, name, known) as session:
        if session is None:
            raise RebuildRefused(f"{name} is being rebuilt: cancel that first")
        with translate_errors():
            pair = await _pair(session, name)
            found = await jobs.find(session.connection, name)
            if found is not None and found.open:
                raise RebuildRefused(
                    f"a rebuild of {name} is {found.phase}: let it finish, or cancel it first"
                )

            async def record(position: Position) -> None:
                following = pair.following
                recorded = await session.fetchval(
                    "record_rollback",
                    name,
                    pair.serving.number,
                    following.number,
                    following.projection.schema_version,
                    options.started_by,
                    options.source,
                    orjson.dumps({"position": position}).decode(),
                )
                if recorded is None:
                    raise RebuildRefused(f"a rebuild of {name} has just been requested")

            await flip(session.connection, pair, record)
        return await run_phases(session, name)


async def _pair(session: RebuildSession, name: str) -> VersionPair:
    rows = await read_registry(session.connection)
    if name not in rows:
        raise NoSuchReadModel(name, sorted(rows))
    number, schema_version = rows[name].previous_version, rows[name].previous_schema_version
    if number is None or schema_version is None:
        raise RebuildRefused(f"{name} has no previous version: there is no way back")
    previous = session.version(name, schema_version, number)
    return VersionPair(session.database, session.log, await session.serving(name), previous)


async def drop_previous_version(url: str, name: str) -> str | None:
    """Drop the version kept for a rollback; gives its schema, or None if there is none.

    Raises:
        RebuildRefused: a rebuild is in progress.
        LogError: the database does not answer.
    """
    async with acquire_session(url, name) as session:
        if session is None:
            raise RebuildRefused(f"{name} is being rebuilt: its next phase may need that version")
        with translate_errors():
            return await drop_previous(session.connection, name)
