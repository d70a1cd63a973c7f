"""Watches statements that may take long: notices when one has ended and its answer was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.errors import LogError

CHECK_S: Final = 5.0
"""Seconds between two looks at a statement that is still running."""

OpenConnection = Callable[[], Awaitable[asyncpg.Connection]]
"""Opens a second connection, as the login role: only that one may see and end the backend."""

_STATEMENTS: Final = frozenset(
    {"prepare", "bind", "bind_execute", "bind_execute_many", "execute", "query", "copy_in"}
)
_ERRORS: Final = (
    LogError,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
_SQL: Final = Path(__file__).parent / "sql"
_log = logging.getLogger("flowledger.events")


class _CountingProtocol:
    """The driver's protocol, with a count of its statements: the driver tells nobody."""

    def __init__(self, protocol: Any) -> None:  # noqa: ANN401 - the stubs lack it
        self._protocol = protocol
        self.running = 0
        self.started = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the driver has
        found = getattr(self._protocol, name)
        if name not in _STATEMENTS:
            return found

        async def counted(*args: object, **options: object) -> object:
            self.running += 1
            self.started += 1
            try:
                return await found(*args, **options)
            finally:
                self.running -= 1

        return counted


def watch(connection: asyncpg.Connection, open_connection: OpenConnection) -> None:
    """Cut a connection that waits for an answer while the server has nothing left to do.

    A statement of an hour cannot have a short timeout, and a proxy that has gone silent answers the
    kernel's keepalives. So the server is asked over a second connection. A backend that is gone,
    idle, or waiting for its client at two looks, while one statement runs here, has lost it.
    """
    driver: Any = connection  # the stubs lack its protocol
    protocol = driver._protocol = _CountingProtocol(driver._protocol)  # noqa: SLF001 - no other way
    task = asyncio.create_task(
        _watch(connection, protocol, open_connection), name="long statements"
    )

    def stop(_: object) -> None:
        task.cancel()

    connection.add_termination_listener(stop)


async def _watch(
    connection: asyncpg.Connection, protocol: _CountingProtocol, open_connection: OpenConnection
) -> None:
    pid = connection.get_server_pid()
    suspect: object = None
    while not connection.is_closed():
        statement = protocol.started
        await asyncio.sleep(CHECK_S)
        if not protocol.running or protocol.started != statement:
            suspect = None
            continue
        lost, copied = await _look(open_connection, pid)
        seen = (protocol.started, copied)
        if lost and protocol.running and seen == suspect:
            _log.warning("the answer to a long statement was lost: its connection is cut")
            await _end_backend(open_connection, pid)
            connection.terminate()
        suspect = seen if lost else None


async def _look(open_connection: OpenConnection, pid: int) -> tuple[bool, int | None]:
    """Tell whether a backend does nothing, and how many bytes its COPY has processed."""
    try:
        row = await _ask(open_connection, "backend_state", pid)
    except _ERRORS:
        return False, None  # nobody knows while the second connection has no answer either
    return (True, None) if row is None else (row["waits_for_client"], row["copied_bytes"])


async def _end_backend(open_connection: OpenConnection, pid: int) -> None:
    """End the backend, which may hold locks as long as a silent proxy keeps it."""
    try:
        await _ask(open_connection, "end_backend", pid)
    except (
        LogError,
        OSError,
        TimeoutError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        _log.warning("its backend %s could not be ended: %s", pid, error)


async def _ask(open_connection: OpenConnection, name: str, pid: int) -> Any:  # noqa: ANN401 - the driver's
    connection = await open_connection()
    try:
        return await connection.fetchrow(_statement(name), pid)
    finally:
        connection.terminate()


@cache
def _statement(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")
