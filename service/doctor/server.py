"""Examines the server: its version and settings, connections, locks, clock, role and rights."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from events.database import APP_ROLE, Connection, load
from events.errors import SessionRefused
from events.migrate import OLDEST_POSTGRES
from service.doctor.findings import Finding
from service.ops.connections import (
    ConnectionLimit,
    find_crowded,
    find_too_low,
    needed_by,
    read_limits,
)
from service.ops.migrations import missing_rights

MAX_SKEW_S: Final = 5.0
"""Seconds by which the clocks of the database and of this machine may differ."""

MIN_WAIT_S: Final = 2.0
"""Seconds for which a lock may be waited for without a warning."""

Rows = Sequence[Any]
"""Rows of the driver."""

_KIB: Final = 1024
_NAMED: Final = 5
_SQL: Final = Path(__file__).parent / "sql"
_LOG_SCHEMA: Final = "log"

_SAFE: Final[Mapping[str, tuple[Sequence[str], str]]] = {
    "fsync": (("on",), "a power cut may destroy the whole database"),
    "full_page_writes": (("on",), "a power cut may destroy pages of the database"),
    "synchronous_commit": (
        ("on", "local", "remote_write", "remote_apply"),
        "a crash loses the last runs that were answered as started",
    ),
    "autovacuum": (("on",), "rows that are updated often are never cleared, and reads become slow"),
}


async def examine_server(connection: Connection) -> list[Finding]:
    """Examine version, encoding, and the settings that protect what was committed."""
    (row,) = await connection.fetch(load(_SQL, "server"))
    limits = await read_limits(connection)
    return [*judge_server(dict(row)), judge_connections(limits, needed_by(projects=True))]


def judge_server(row: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge a row of `server.sql`."""
    check, version = "server", row["version"]
    if row["major"] < OLDEST_POSTGRES:
        text = f"this is Postgres {version}; {OLDEST_POSTGRES} or newer is needed"
        yield Finding(check, "error", text, "move the database to a newer server")
    elif row["encoding"] != "UTF8":
        text = f"the database is in {row['encoding']}, not UTF8"
        cure = "make a database with ENCODING 'UTF8' and move the log there: `flowledger events`"
        yield Finding(check, "error", text, cure)
    elif row["is_standby"]:
        cure = "name the primary in FLOWLEDGER_DATABASE_URL, or promote this one"
        yield Finding(check, "error", "the server is a standby, which takes no writes", cure)
    else:
        yield Finding(check, "ok", f"Postgres {version}, {size(row['size_bytes'])}")
    for name, (safe, danger) in _SAFE.items():
        if row[name] not in safe:
            cure = f"set {name} = {safe[0]} for the server, the database and the role"
            yield Finding("durability", "warning", f"{name} is {row[name]}: {danger}", cure)


def judge_connections(limits: Sequence[ConnectionLimit], needed: int) -> Finding:
    """Judge whether another `flowledger serve` gets the connections that it needs."""
    check, need = "connections", f"`flowledger serve` needs up to {needed}"
    if low := find_too_low(limits, needed):
        text, cure = f"{low.name} allows {low.most} connections", f"raise that: {need}"
        return Finding(check, "error", text, cure)
    if crowded := find_crowded(limits, needed):
        text = f"{crowded.used} of {crowded.most} connections of {crowded.name} are in use"
        cure = f"raise that limit, or end other sessions: {need}"
        return Finding(check, "warning", f"{text}: too few are left for one more process", cure)
    server = limits[0]
    return Finding(check, "ok", f"{server.used} of {server.most} connections are in use")


async def examine_clock(connection: Connection) -> list[Finding]:
    """Compare the clock of the database with that of this machine."""
    asked_at, asked_s = datetime.now(UTC), time.monotonic()
    theirs = await connection.fetchval("select clock_timestamp()")
    # The answer is from about the middle of the question's time.
    middle_s = (time.monotonic() - asked_s) / 2
    return [judge_clock((theirs - asked_at).total_seconds() - middle_s)]


def judge_clock(skew_s: float) -> Finding:
    """Judge by how much the database's clock is ahead of this machine's."""
    if abs(skew_s) <= MAX_SKEW_S:
        return Finding("clock", "ok", "the database and this machine have the same time")
    direction = "ahead of" if skew_s > 0 else "behind"
    text = f"the database's clock is {abs(skew_s):.0f} s {direction} this machine's"
    cure = "see which of the two is wrong, and have both follow NTP; schedules go by the database's"
    return Finding("clock", "warning", text, cure)


async def examine_locks(connection: Connection) -> list[Finding]:
    """Find the sessions that make this ledger wait."""
    rows = await connection.fetch(load(_SQL, "blockers"), MIN_WAIT_S)
    if not rows:
        return [Finding("locks", "ok", "nobody waits for a lock")]
    return [
        Finding(
            "locks",
            "warning",
            f"session {row['pid']} ({row['application_name'] or 'no name'}, {row['state']}) has"
            f" been in the way of others for {row['waited_s']:.0f} s",
            f"end it, if it is not at work: select pg_terminate_backend({row['pid']})",
        )
        for row in rows
    ]


async def examine_role(connection: Connection) -> list[Finding]:
    """Examine the service's role, and whether the login role may become it."""
    (row,) = await connection.fetch(load(_SQL, "role"), APP_ROLE)
    if not row["role_exists"]:
        text = f"there is no role {APP_ROLE}, as after a restore into another server"
        return [Finding("role", "error", text, "run `flowledger migrate`")]
    if not row["is_member"]:
        text = f"role {row['login']} is no member of {APP_ROLE}"
        grant = f'grant {APP_ROLE} to "{row["login"]}"'
        cure = f"run `flowledger migrate`, or as an administrator: {grant}"
        return [Finding("role", "error", text, cure)]
    return [Finding("role", "ok", f"{row['login']} may become {APP_ROLE}")]


def judge_refused_session(error: SessionRefused) -> Finding:
    """Judge why a session as the service opens it was refused."""
    # What it says is "what is wrong: its cure".
    text, _, cure = str(error).partition(": ")
    return Finding("session", "error", text, cure or None)


async def examine_rights(connection: Connection) -> list[Finding]:
    """Examine what the service's role may do, and that it may not change the log."""
    missing = await missing_rights(connection)
    powerless = await connection.fetch(load(_SQL, "powerless_owners"), _LOG_SCHEMA)
    found = [*judge_rights(missing), *_powerless(powerless)]
    return found or [Finding("rights", "ok", f"{APP_ROLE} may do what it must, and no more")]


def judge_rights(missing: Sequence[str]) -> Iterator[Finding]:
    """Judge the statements that would put rights right.

    >>> [finding.text for finding in judge_rights(["grant usage on schema log to flowledger_app"])]
    ['1 statement is missing: grant usage on schema log to flowledger_app']
    """
    if missing:
        named = "; ".join(missing[:_NAMED]) + ("; ..." if len(missing) > _NAMED else "")
        verb = "statement is" if len(missing) == 1 else "statements are"
        cure = "run `flowledger migrate` as the owner or an administrator, as after each restore"
        yield Finding("rights", "error", f"{len(missing)} {verb} missing: {named}", cure)


def _powerless(rows: Rows) -> Iterator[Finding]:
    for row in rows:
        text = f"{row['function']} runs as {row['owner']}, which may not write the log's tables"
        cure = "give the functions and the tables of the log one owner"
        yield Finding("rights", "error", text, cure)


def size(size_bytes: float) -> str:
    """Write a size for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size_bytes < _KIB:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= _KIB
    return f"{size_bytes:.1f} TiB"
