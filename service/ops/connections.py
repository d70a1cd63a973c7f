"""How many connections to Postgres a process needs, and whether the server allows them."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

from events.database import Connection, Database, close_quietly, load, translate_errors
from service.errors import ServiceError

OF_A_PROCESS: Final = 40
"""Connections that any process may open: 26 in pools, 10 more while a read model changes its
version, and one each to listen, to probe and to follow the log."""

OF_READ_MODELS: Final = 20
"""Those that a process with the read models may open beside: a projector each, and a rebuild."""

_SQL: Final = Path(__file__).parent / "sql"
_log = logging.getLogger("flowledger.connections")


class TooFewConnections(ServiceError):
    """The database allows fewer connections than a process needs."""

    code = "too-few-connections"


class ConnectionLimit(NamedTuple):
    """Something that limits connections: what it is, how many it allows, how many are open."""

    name: str
    most: int
    used: int


async def read_limits(connection: Connection) -> list[ConnectionLimit]:
    """Read the limits on connections of this login and database, that of the server first."""
    rows = await connection.fetch(load(_SQL, "connection_limits"))
    return [ConnectionLimit(*row) for row in rows]


def find_too_low(limits: Collection[ConnectionLimit], needed: int) -> ConnectionLimit | None:
    """Find the lowest limit that allows fewer connections than are needed; None: there is none.

    >>> find_too_low([ConnectionLimit("the server", 97, 90)], 60)
    >>> find_too_low([ConnectionLimit("the server", 97, 0), ConnectionLimit("a role", 20, 0)], 60)
    ConnectionLimit(name='a role', most=20, used=0)
    """
    return min((each for each in limits if each.most < needed), default=None, key=_most)


def find_crowded(limits: Collection[ConnectionLimit], needed: int) -> ConnectionLimit | None:
    """Find the limit that leaves fewest connections, if these are fewer than are needed.

    >>> find_crowded([ConnectionLimit("the server", 97, 90)], 60)
    ConnectionLimit(name='the server', most=97, used=90)
    >>> find_crowded([ConnectionLimit("the server", 97, 30)], 60)
    """
    return min((each for each in limits if _left(each) < needed), default=None, key=_left)


def _most(limit: ConnectionLimit) -> int:
    return limit.most


def _left(limit: ConnectionLimit) -> int:
    return limit.most - limit.used


async def require_connections(database: Database, needed: int) -> None:
    """Check at the start of a process that the database allows it so many connections.

    That too few of those are left now is only a warning: other processes may end.

    Raises:
        TooFewConnections: it does not.
        LogUnavailable: the database does not answer.
    """
    connection = await database.connect()
    try:
        with translate_errors():
            limits = await read_limits(connection)
    finally:
        await close_quietly(connection)
    if low := find_too_low(limits, needed):
        raise TooFewConnections(
            f"this process needs up to {needed} connections to Postgres, and {low.name} allows"
            f" {low.most}: raise that to {needed} for each process"
        )
    if crowded := find_crowded(limits, needed):
        _log.warning(
            "this process needs up to %d connections to Postgres, and of the %d of %s only %d are"
            " left: raise that limit, or end other sessions",
            needed,
            crowded.most,
            crowded.name,
            max(0, _left(crowded)),
        )


def needed_by(*, projects: bool) -> int:
    """Tell how many connections a process needs, with or without the read models.

    >>> needed_by(projects=True), needed_by(projects=False)
    (60, 40)
    """
    return OF_A_PROCESS + (OF_READ_MODELS if projects else 0)
