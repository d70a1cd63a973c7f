"""Makes another version of a read model serve, and drops the previous one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import asyncpg

from events.database import load
from events.envelope import Position
from projections.errors import RebuildRefused
from projections.projection import schema_of
from projections.rebuild.version_sync import MAX_ATTEMPTS, RETRY_S, TooFarBehind, VersionPair
from projections.registry import read_registry

DRAIN_S: Final = 6.0
"""Seconds after a flip in which processes may still read from the previous version."""

_SQL: Final = Path(__file__).parents[1] / "sql"


async def flip(
    connection: asyncpg.Connection, pair: VersionPair, record: Callable[[Position], Awaitable[None]]
) -> Position:
    """Make the following version serve, and record it in the same transaction.

    Waits until the following version is close enough to be brought up to the serving one.

    Raises:
        RebuildRefused: the following version is paused, or does not come close enough.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            async with pair.lock_both(connection) as (serving, following):
                if following.position < serving.position or following.state != "running":
                    raise RebuildRefused(
                        f"{pair.following.schema} is {following.state} at position"
                        f" {following.position} and cannot serve"
                    )
                numbers = (pair.serving.name, pair.serving.number, pair.following.number)
                if not await connection.fetchval(load(_SQL, "flip"), *numbers):
                    raise RebuildRefused(f"another version of {pair.serving.name} serves by now")
                await record(following.position)
                return following.position
        except TooFarBehind:
            await asyncio.sleep(RETRY_S)
    raise RebuildRefused(f"{pair.following.schema} does not catch up, so it cannot serve")


async def drop_previous(connection: asyncpg.Connection, name: str) -> str | None:
    """Drop the version kept for a rollback; gives its schema, or None if there is none."""
    versions = (await read_registry(connection)).get(name)
    if versions is None or versions.previous_version is None:
        return None
    # Processes that have not noticed the last flip still read from it.
    await asyncio.sleep(max(0.0, DRAIN_S - versions.changed_s))
    await connection.fetchval(load(_SQL, "drop_version"), name, versions.previous_version)
    return schema_of(name, versions.previous_version)
