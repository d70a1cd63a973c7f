"""Connections to the log's Postgres, and the translation of driver errors into ours."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.errors import (
    AppendTimeout,
    InvalidEvent,
    LogError,
    LogUnavailable,
    NotMigrated,
    SequenceExhausted,
)

APP_ROLE: Final = "flowledger_app"
"""The service's role: it reads the log, and appends only through `log.append`."""

CONNECT_TIMEOUT_S: Final = 5.0
_UNAVAILABLE: Final = re.compile(
    "08|53|57|58|28|3D"  # connection, resources, operator, system, authorization, no such database
    "|25006|25P03|42501"  # a standby; ended while idle; a role without rights
)
"""SQLSTATEs of a server that cannot serve now, whatever the statement."""

_NOT_MIGRATED: Final = re.compile("3F000|42883|42P01")
"""SQLSTATEs of a missing schema, function or table."""

_NO_ROLE: Final = f'role "{APP_ROLE}" does not exist'

_REFUSED: Final = re.compile("22|23|54")
"""SQLSTATE classes of invalid values: data, constraint, limit."""

DRIVER_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server killed between prepare and execute
)
"""Everything a statement may raise because of the server or the network."""

_UUID_BYTES: Final = 16

Init = Callable[[asyncpg.Connection], Awaitable[None]]

Pool = asyncpg.Pool
Connection = asyncpg.Connection
"""For signatures in packages that may not import the driver."""


async def connect_pool(
    url: str,
    *,
    min_size: int = 1,
    max_size: int = 10,
    search_path: str | None = None,
    role: str | None = APP_ROLE,
    init: Init | None = None,
) -> asyncpg.Pool:
    """Open a pool whose connections have the role ``role``, UTC, and UUIDs as text.

    Plans use an index wherever there is one. The pool does not reset a session when it is released:
    whoever sets session state undoes it. An open transaction is rolled back all the same.

    Raises:
        LogUnavailable: the server cannot be reached, or refuses the login.
    """

    async def prepare(connection: asyncpg.Connection) -> None:
        await _set_codecs(connection)
        if init is not None:
            await init(connection)

    with translate_errors():
        return await asyncpg.create_pool(
            url,
            min_size=min_size,
            max_size=max_size,
            max_queries=2**31,
            init=prepare,
            reset=_skip_reset,
            **_options(search_path, role),
        )


async def connect(
    url: str, *, search_path: str | None = None, role: str | None = APP_ROLE
) -> asyncpg.Connection:
    """Open a single connection, like those of `connect_pool`.

    Raises:
        LogUnavailable: the server cannot be reached, or refuses the login.
    """
    with translate_errors():
        connection: asyncpg.Connection = await asyncpg.connect(url, **_options(search_path, role))
        await _set_codecs(connection)
        return connection


async def close_quietly(connection: asyncpg.Connection) -> None:
    """Close a connection, within a second and without errors, even if the server is gone."""
    with suppress(*DRIVER_ERRORS):
        await connection.close(timeout=1.0)


def _options(search_path: str | None, role: str | None) -> dict[str, Any]:
    settings = {
        "application_name": "flowledger",
        "TimeZone": "UTC",
        "default_transaction_isolation": "read committed",
        # Statements are planned once and cached. A plan made for an empty table would stay when the
        # table has millions of rows. A table without a suitable index is scanned all the same.
        "enable_seqscan": "off",
    }
    if search_path is not None:
        settings["search_path"] = search_path
    if role is not None:
        settings["role"] = role
    return {
        "server_settings": settings,
        "timeout": CONNECT_TIMEOUT_S,
        "statement_cache_size": 1000,
        "max_cached_statement_lifetime": 0,
    }


async def _set_codecs(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=_uuid_bytes, decoder=_uuid_text, format="binary"
    )


def _uuid_bytes(text: str) -> bytes:
    raw = bytes.fromhex(str(text).replace("-", ""))
    if len(raw) != _UUID_BYTES:
        raise ValueError(f"{text!r} is no UUID")
    return raw


def _uuid_text(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


async def _skip_reset(_connection: asyncpg.Connection) -> None:
    # asyncpg's own reset costs a round trip at each release, and nothing here sets session state.
    return


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate errors of the driver and the network into the log's own, keeping the cause.

    Raises:
        LogUnavailable: no connection, a lost one, or a server that is starting, stopping, full, not
            migrated (`NotMigrated`) or a standby.
        AppendTimeout: a lock was not free within its `lock_timeout`.
        SequenceExhausted: a sequence has no number left.
        InvalidEvent: a value breaks a constraint of a table.
        LogError: the server refused the statement for another reason.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        raise _to_log_error(error) from error
    except DRIVER_ERRORS as error:
        raise LogUnavailable(f"the database does not answer: {error}") from error


def _to_log_error(error: asyncpg.PostgresError) -> LogError:
    state = error.sqlstate or ""
    if isinstance(error, asyncpg.LockNotAvailableError):
        return AppendTimeout()
    if isinstance(error, asyncpg.SequenceGeneratorLimitExceededError):
        return SequenceExhausted(f"no number is left: {error}")
    if _NOT_MIGRATED.match(state) or str(error) == _NO_ROLE:
        return NotMigrated(f"the database is not migrated, run `flowledger migrate`: {error}")
    if _UNAVAILABLE.match(state) or str(error).startswith("no partition of relation"):
        return LogUnavailable(f"the database cannot serve: {error}")
    if _REFUSED.match(state):
        return InvalidEvent(f"the database refuses it: {error}")
    return LogError(f"{state}: {error}")


@cache
def load(directory: Path, name: str) -> str:
    """Read ``name``.sql in ``directory``, once a process."""
    return (directory / f"{name}.sql").read_text(encoding="utf-8")
