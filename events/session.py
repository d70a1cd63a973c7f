"""Checks that a new session of Postgres is what the service assumes, and says how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from events.errors import SessionRefused

_POOLER: Final = (
    "a connection pooler has ignored what the service set: let it pool whole sessions, or connect"
    " to Postgres itself"
)
NOT_WHOLE_SESSIONS: Final = (
    "a connection pooler gives each transaction, or each statement, another session: role,"
    " search_path, prepared statements, locks and LISTEN are lost in between; set"
    " pool_mode = session for this database, or connect to Postgres itself"
)
NO_SECOND_SESSION: Final = (
    "a connection pooler gives this process no second session: raise its pool size"
    " (PgBouncer: default_pool_size) to the connections that all processes may open"
)
LOST_STATES: Final = frozenset({"26000", "42P05"})
"""SQLSTATEs of a prepared statement that is not there, or that another client has prepared."""

ROUNDS: Final = 5
"""How often to look for a shared session: other clients may take it in between."""

_MUST_BE: Final = {
    "standard_conforming_strings": (
        "on",
        "run `alter database DATABASE set standard_conforming_strings = on`, and so for the role",
    ),
    "server_encoding": ("UTF8", "create the database with ENCODING 'UTF8'"),
    "client_encoding": ("UTF8", _POOLER),
    "TimeZone": ("UTC", _POOLER),
    "default_transaction_isolation": ("read committed", _POOLER),
    "transaction_read_only": (
        "off",
        "set default_transaction_read_only = off for the server, the database and the role",
    ),
}
"""The value of each setting, and the cure where it is another one."""


def check_session(session: Mapping[str, Any], *, role: str | None, search_path: str | None) -> None:
    """Check a row of `session.sql` against what was asked for.

    Raises:
        SessionRefused: it names the first thing that is wrong, with its cure.
    """
    if session["is_standby"]:
        raise SessionRefused(
            "the server is a standby, which takes no writes: name the primary, or promote this one"
        )
    for name, (wanted, cure) in _MUST_BE.items():
        _check(name, session[name], wanted, cure)
    if role is not None:
        _check("the role", session["role"], role, _POOLER)
    if search_path is not None:
        _check("search_path", session["search_path"], search_path, _POOLER)


def _check(name: str, found: str, wanted: str, cure: str) -> None:
    if found != wanted:
        raise SessionRefused(f"{name} is {found!r}, not {wanted!r}: {cure}")


async def refuse_transaction_pooling(first: Any, second: Any) -> None:  # noqa: ANN401 - the driver's
    """Check that two connections through a pooler keep their sessions.

    A pooler of transactions gives the session of the idle ``first`` to the transaction of
    ``second`` if it takes the one released last or has only one. If it takes the one released
    first, it serves ``first`` by another session each time. With sessions pooled as a whole neither
    can happen. Another client may get in between, hence several rounds.

    Raises:
        SessionRefused: they do not.
    """
    for _ in range(ROUNDS):
        try:
            before = {await _backend(first), await _backend(first)}
            async with second.transaction():
                # With one session in all, `first` would wait for the end of this transaction.
                shared = await _backend(second) in before or {await _backend(first)} != before
        except asyncpg.PostgresError as error:
            if "statement pooling" in str(error):  # PgBouncer cuts who begins a transaction
                raise SessionRefused(NOT_WHOLE_SESSIONS) from error
            raise
        if shared:
            raise SessionRefused(NOT_WHOLE_SESSIONS)


async def _backend(connection: Any) -> int:  # noqa: ANN401 - the driver's
    return int(await connection.fetchval("select pg_backend_pid()"))
