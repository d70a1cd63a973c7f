"""Connections to the ledger's Postgres, and the translation of driver errors into ours."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import asyncpg

from events.connection_url import parse_connection_url
from events.errors import (
    AppendTimeout,
    InvalidEvent,
    LedgerReplaced,
    LogError,
    LogUnavailable,
    NotMigrated,
    SequenceExhausted,
    SessionRefused,
)
from events.long_statements import watch
from events.session import (
    LOST_STATES,
    NO_SECOND_SESSION,
    NOT_WHOLE_SESSIONS,
    check_session,
    refuse_transaction_pooling,
)
from events.timeline import REPLACED_STATE, Timeline

APP_ROLE: Final = "flowledger_app"
"""The service's role: it reads the log, and appends only through `log.append`."""

CONNECT_TIMEOUT_S: Final = 5.0
"""Seconds to open a connection, or to wait for a free one of a pool."""

STATEMENT_TIMEOUT_S: Final = 10.0
"""Seconds that a statement may take, unless whoever connects says otherwise."""

OPERATOR_TIMEOUT_S: Final = 3600.0
"""Seconds that a statement of a migration, a rebuild or an import may take."""

LONG_S: Final = 60.0
"""A connection whose statements may take longer than this is watched: see `long_statements`."""

IDLE_IN_TRANSACTION_S: Final = 30.0
"""Seconds after which the server ends a transaction whose client sends nothing more."""

CANCEL_TIMEOUT_S: Final = 1.0
"""Seconds for the server to end a cancelled statement, before the connection is cut."""

CLOSE_TIMEOUT_S: Final = 2.0
"""Seconds that a pool may take to close, before its connections are cut."""

_KEEPALIVE: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
_UNACKNOWLEDGED_MS: Final = 15_000
"""How long sent bytes may stay unacknowledged: a peer without power is noticed by then."""

_UNAVAILABLE: Final = re.compile(
    "08|53|57|58|28|3D"  # connection, resources, operator, system, authorization, no such database
    "|25006|25P03|42501"  # a standby; ended while idle; a role without rights
)
"""SQLSTATEs of a server that cannot serve now, whatever the statement."""

_NOT_MIGRATED: Final = re.compile("3F000|42883|42P01")
"""SQLSTATEs of a missing schema, function or table."""

_NO_ROLE: Final = f'role "{APP_ROLE}" does not exist'

_CROWDED: Final = (
    "; raise max_connections or end other sessions: what a process needs stands in"
    " docs/reference/configuration.md, Connections"
)
_RESTORED: Final = "; after a restore, run `flowledger migrate`: it puts rights and owners right"

_ENCODED: Final = "; in a URL, # @ / ? % [ ] and spaces of a password must be percent-encoded"

_REFUSED: Final = re.compile("22|23|54")
"""SQLSTATE classes of invalid values: data, constraint, limit."""

_SQL: Final = Path(__file__).parent / "sql"

DRIVER_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server killed between prepare and execute
)
"""Everything a statement may raise because of the server or the network."""

_UUID_BYTES: Final = 16

Init = Callable[["Connection"], Awaitable[None]]

Connection = asyncpg.Connection
"""For signatures in packages that may not import the driver."""


class Database:
    """How a process reaches its ledger's Postgres; one for each process.

    Making it raises `InvalidConnectionUrl` where the URL cannot work.

    Nobody waits without a bound, neither for a connection nor for an answer: a statement ends after
    its timeout on both sides, and a connection that stays silent then is cut. A new connection is
    used only if the database still has what this process has seen of the log: see `Timeline`.
    """

    def __init__(self, url: str, *, statement_timeout_s: float = STATEMENT_TIMEOUT_S) -> None:
        self.url = url
        self._address = parse_connection_url(url)
        self._pooler_checked = False
        self._pooler_check = asyncio.Lock()
        self.statement_timeout_s = statement_timeout_s
        self.timeline = Timeline()

    async def connect(
        self,
        *,
        search_path: str | None = None,
        role: str | None = APP_ROLE,
        statement_timeout_s: float | None = None,
    ) -> Connection:
        """Open a single connection: role, UTC, UUIDs as text; plans prefer an index.

        Raises:
            LogUnavailable: the server cannot be reached, or refuses the login.
            SessionRefused: the session is not what was asked for, as behind some poolers.
            LedgerReplaced: the database was replaced by an older copy.
        """
        self.timeline.require_intact()
        timeout_s = statement_timeout_s or self.statement_timeout_s
        with translate_errors():
            async with asyncio.timeout(self._connect_timeout_s):
                connection: Connection = await asyncpg.connect(**self._options(timeout_s))
                try:
                    await self._prepare(connection, role, search_path, timeout_s)
                except BaseException:
                    connection.terminate()
                    raise
                if timeout_s > LONG_S:
                    watch(connection, self._open_observer)
                return connection

    async def connect_unchecked(self) -> Connection:
        """Open a connection as the login role, whatever its session is like: to diagnose it.

        Raises:
            LogUnavailable: the server cannot be reached, or refuses the login.
        """
        with translate_errors():
            async with asyncio.timeout(self._connect_timeout_s):
                options = self._options(self.statement_timeout_s)
                connection: Connection = await asyncpg.connect(**options)
        _keep_alive(connection)
        return connection

    async def open_pool(
        self,
        *,
        min_size: int = 1,
        max_size: int = 10,
        search_path: str | None = None,
        role: str | None = APP_ROLE,
        init: Init | None = None,
        statement_timeout_s: float | None = None,
    ) -> Pool:
        """Open a pool of connections like those of `connect`.

        The pool does not reset a session when it is released: whoever sets session state undoes it.
        An open transaction is rolled back all the same.

        Raises:
            LogUnavailable: the server cannot be reached, or refuses the login.
            LedgerReplaced: the database was replaced by an older copy.
        """
        timeout_s = statement_timeout_s or self.statement_timeout_s

        async def prepare(connection: Connection) -> None:
            await self._prepare(connection, role, search_path, timeout_s)
            if init is not None:
                await init(connection)

        with translate_errors():
            async with asyncio.timeout(self._connect_timeout_s):
                pool = await asyncpg.create_pool(
                    min_size=min_size,
                    max_size=max_size,
                    max_queries=2**31,
                    init=prepare,
                    reset=_skip_reset,
                    **self._options(timeout_s),
                )
        return Pool(pool, self)

    @property
    def _connect_timeout_s(self) -> float:
        return self._address.connect_timeout_s or CONNECT_TIMEOUT_S

    def _options(self, timeout_s: float) -> dict[str, Any]:
        return {
            "dsn": self._address.dsn,
            # No other setting: poolers drop what they do not know, or refuse the login for it.
            "server_settings": {"application_name": self._address.application_name or "flowledger"},
            "timeout": self._connect_timeout_s,
            "command_timeout": timeout_s,
            "connection_class": _BoundedConnection,
            "statement_cache_size": 1000,
            "max_cached_statement_lifetime": 0,
        }

    async def _open_observer(self) -> Connection:
        return await self.connect(role=None, statement_timeout_s=STATEMENT_TIMEOUT_S)

    async def _prepare(
        self, connection: Connection, role: str | None, search_path: str | None, timeout_s: float
    ) -> None:
        _keep_alive(connection)
        settings = _session_settings(search_path, role, timeout_s)
        await connection.fetch(load(_SQL, "set_session"), list(settings), list(settings.values()))
        (session,) = await connection.fetch(load(_SQL, "session"))
        if session["pid"] != connection.get_server_pid():
            # At the login a pooler names another process than the one that serves.
            await self._check_pooler(connection)
        check_session(dict(session), role=role, search_path=search_path)
        await _set_codecs(connection)
        await self.timeline.verify(connection)

    async def _check_pooler(self, connection: Connection) -> None:
        async with self._pooler_check:
            if self._pooler_checked:
                return
            try:
                async with asyncio.timeout(self._connect_timeout_s / 2):
                    second = await asyncpg.connect(**self._options(self.statement_timeout_s))
                    try:
                        await refuse_transaction_pooling(connection, second)
                    finally:
                        second.terminate()  # to close it in order may take as long as it is silent
            except TimeoutError as error:
                raise SessionRefused(NO_SECOND_SESSION) from error
            self._pooler_checked = True


class Pool:
    """Connections to the ledger for one kind of use; a free one is waited for within a bound."""

    def __init__(self, pool: asyncpg.Pool, database: Database) -> None:
        self.database = database
        self._pool = pool
        self._timeline = database.timeline

    def acquire(self) -> _Borrowed:
        """Borrow a connection, as an asynchronous context manager.

        Raises:
            TimeoutError: none was free, or could be opened, within `CONNECT_TIMEOUT_S`.
            LedgerReplaced: the database was replaced by an older copy.
        """
        self._timeline.require_intact()
        return _Borrowed(self._pool)

    async def fetch(self, statement: str, *parameters: object) -> Sequence[Any]:
        """Run a statement on a borrowed connection; return its rows."""
        async with self.acquire() as connection:
            rows: Sequence[Any] = await connection.fetch(statement, *parameters)
            return rows

    async def fetchrow(self, statement: str, *parameters: object) -> Any:  # noqa: ANN401 - the driver's
        """Run a statement on a borrowed connection; return its first row, or None."""
        async with self.acquire() as connection:
            return await connection.fetchrow(statement, *parameters)

    async def fetchval(self, statement: str, *parameters: object) -> Any:  # noqa: ANN401 - the driver's
        """Run a statement on a borrowed connection; return its first value, or None."""
        async with self.acquire() as connection:
            return await connection.fetchval(statement, *parameters)

    async def execute(self, statement: str, *parameters: object) -> str:
        """Run a statement on a borrowed connection; return its command tag."""
        async with self.acquire() as connection:
            tag: str = await connection.execute(statement, *parameters)
            return tag

    def get_size(self) -> int:
        """Count the open connections."""
        return int(self._pool.get_size())

    def get_idle_size(self) -> int:
        """Count the open connections that nobody uses."""
        return int(self._pool.get_idle_size())

    def get_max_size(self) -> int:
        """Give how many connections there may be."""
        return int(self._pool.get_max_size())

    async def close(self) -> None:
        """Close all connections; cut those still in use after `CLOSE_TIMEOUT_S`."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    def terminate(self) -> None:
        """Cut all connections."""
        self._pool.terminate()


class _Borrowed:
    """A connection of a pool while a block runs."""

    # No generator with a decorator: that costs each query a microsecond.

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Any:  # noqa: ANN401 - the driver's proxy of a connection
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            self._connection = await self._pool.acquire()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._pool.release(self._connection)


class _BoundedConnection(asyncpg.Connection):
    """Cuts itself if the server does not end a cancelled statement in time.

    The driver asks the server to cancel, then waits for the statement's end before the connection
    can be used or released. A silent server never ends it.
    """

    async def _cancel(self, *waiters: object) -> None:
        cut = asyncio.get_running_loop().call_later(CANCEL_TIMEOUT_S, self.terminate)
        try:
            await getattr(super(), "_cancel")(*waiters)  # noqa: B009 - missing in the driver's stubs
        finally:
            cut.cancel()


async def connect_pool(
    url: str,
    *,
    min_size: int = 1,
    max_size: int = 10,
    search_path: str | None = None,
    role: str | None = APP_ROLE,
) -> Pool:
    """Open a pool for a short piece of work, as `Database.open_pool` does for a process."""
    return await Database(url).open_pool(
        min_size=min_size, max_size=max_size, search_path=search_path, role=role
    )


async def connect(
    url: str, *, search_path: str | None = None, role: str | None = APP_ROLE
) -> Connection:
    """Open a connection for an operator's work: its statements may take `OPERATOR_TIMEOUT_S`."""
    return await Database(url).connect(
        search_path=search_path, role=role, statement_timeout_s=OPERATOR_TIMEOUT_S
    )


async def close_quietly(connection: Connection) -> None:
    """Close a connection, within a second and without errors, even if the server is gone."""
    with suppress(*DRIVER_ERRORS):
        await connection.close(timeout=1.0)


def _session_settings(
    search_path: str | None, role: str | None, timeout_s: float
) -> dict[str, str]:
    settings = {
        "TimeZone": "UTC",
        "default_transaction_isolation": "read committed",
        # Statements are planned once and cached. A plan made for an empty table would stay when the
        # table has millions of rows. A table without a suitable index is scanned all the same.
        "enable_seqscan": "off",
        "statement_timeout": f"{timeout_s * 1000:.0f}",
        # A proxy may keep the connection of a client that is gone, and with it what it has locked.
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S * 1000:.0f}",
        # The server's side of it: a client without power must not hold a lock.
        "tcp_keepalives_idle": str(_KEEPALIVE["TCP_KEEPIDLE"]),
        "tcp_keepalives_interval": str(_KEEPALIVE["TCP_KEEPINTVL"]),
        "tcp_keepalives_count": str(_KEEPALIVE["TCP_KEEPCNT"]),
        "tcp_user_timeout": str(_UNACKNOWLEDGED_MS),
    }
    if search_path is not None:
        settings["search_path"] = search_path
    if role is not None:
        settings["role"] = role
    return settings


def _keep_alive(connection: Any) -> None:  # noqa: ANN401 - the stubs lack its transport
    """Let the kernel notice a peer that is gone; a socket file needs none of it."""
    end = connection._transport.get_extra_info("socket")  # noqa: SLF001 - the driver has no other way
    if end is None or end.family == socket.AF_UNIX:
        return
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {**_KEEPALIVE, "TCP_USER_TIMEOUT": _UNACKNOWLEDGED_MS}.items():
        if hasattr(socket, name):  # not every system has all of them
            end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _set_codecs(connection: Connection) -> None:
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
        LedgerReplaced: `log.append` says that the log lacks what this process has seen.
        SessionRefused: a prepared statement is gone, as behind a pooler of transactions.
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
        if error.sqlstate == REPLACED_STATE:
            raise LedgerReplaced(str(error)) from error
        if error.sqlstate in LOST_STATES:
            raise SessionRefused(NOT_WHOLE_SESSIONS) from error
        raise _to_log_error(error) from error
    except DRIVER_ERRORS as error:
        reason = str(error) or "no answer in time"
        raise LogUnavailable(f"the database does not answer: {reason}") from error


def _to_log_error(error: asyncpg.PostgresError) -> LogError:
    state = error.sqlstate or ""
    if isinstance(error, asyncpg.LockNotAvailableError):
        return AppendTimeout()
    if isinstance(error, asyncpg.SequenceGeneratorLimitExceededError):
        return SequenceExhausted(f"no number is left: {error}")
    if _NOT_MIGRATED.match(state) or str(error) == _NO_ROLE:
        return NotMigrated(f"the database is not migrated, run `flowledger migrate`: {error}")
    if _UNAVAILABLE.match(state) or str(error).startswith("no partition of relation"):
        return LogUnavailable(f"the database cannot serve: {error}{_hint(error)}")
    if _REFUSED.match(state):
        return InvalidEvent(f"the database refuses it: {error}")
    return LogError(f"{state}: {error}")


def _hint(error: asyncpg.PostgresError) -> str:
    if isinstance(error, asyncpg.InvalidPasswordError):
        return _ENCODED
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return _CROWDED
    return _RESTORED if isinstance(error, asyncpg.InsufficientPrivilegeError) else ""


@cache
def load(directory: Path, name: str) -> str:
    """Read ``name``.sql in ``directory``, once a process."""
    return (directory / f"{name}.sql").read_text(encoding="utf-8")
