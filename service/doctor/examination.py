"""Makes all checks of a ledger, each bounded and in a transaction that cannot write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from events.database import Connection, Database, close_quietly, load, translate_errors
from events.errors import LogError, MigrationRefused, NotMigrated, SessionRefused
from events.probe import append_for_trial
from projections.errors import ProjectionError
from service.doctor import history, server, state
from service.doctor.findings import Finding, Report
from service.ops.migrations import missing_migrations
from service.settings import Settings

STATEMENT_TIMEOUT_S: Final = 5.0
CHECK_TIMEOUT_S: Final = 15.0
"""How long one check may take."""

_SQL: Final = Path(__file__).parent / "sql"
_EXPECTED: Final = (LogError, ProjectionError)

Check = Callable[[Connection], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Patient:
    """The ledger to examine; ``data_folder`` is on the disk of its database, if that is here."""

    settings: Settings
    data_folder: Path | None = None


async def examine(patient: Patient) -> Report:
    """Make all checks, and never raise: what cannot be checked is a finding too.

    What is written is rolled back, and no lock is held for longer than a check takes.
    """
    ledger_checks = _ledger_checks(patient)
    names = [*_SERVER_CHECKS, "session", "append", *ledger_checks]
    database = Database(
        patient.settings.require_database_url, statement_timeout_s=STATEMENT_TIMEOUT_S
    )
    try:
        connection = await database.connect_unchecked()
    except LogError as error:
        cure = "check FLOWLEDGER_DATABASE_URL, that its server runs, and that it lets you in"
        return Report([Finding("database", "error", str(error), cure)], names)
    try:
        return await _examine(connection, database, ledger_checks)
    finally:
        await close_quietly(connection)


async def _examine(
    connection: Connection, database: Database, ledger_checks: Mapping[str, Check]
) -> Report:
    findings = [Finding("database", "ok", "it answers")]
    for name, check in _SERVER_CHECKS.items():
        findings += await _make(name, check, connection)
    findings.append(await _examine_session(database))
    wrong = {each.check for each in findings if each.level == "error"}
    if "migrations" in wrong:
        return Report(findings, ["append", *ledger_checks])
    if "session" not in wrong:
        findings.append(await _examine_append(database))
    left = dict(ledger_checks)
    while left and not connection.is_closed():
        name = next(iter(left))
        findings += await _make(name, left.pop(name), connection)
    return Report(findings, list(left))


async def _make(name: str, check: Check, connection: Connection) -> list[Finding]:
    try:
        with translate_errors():
            async with asyncio.timeout(CHECK_TIMEOUT_S), connection.transaction(readonly=True):
                await connection.execute(load(_SQL, "bounds"))
                return await check(connection)
    except NotMigrated as error:
        return [Finding(name, "error", str(error), "run `flowledger migrate`")]
    except _EXPECTED as error:
        cure = "see the other findings, and run `flowledger doctor` again once they are cured"
        return [Finding(name, "error", f"this could not be checked: {error}", cure)]


async def _examine_session(database: Database) -> Finding:
    """Open a session as the service does."""
    try:
        connection = await database.connect()
    except SessionRefused as error:
        return server.judge_refused_session(error)
    except NotMigrated as error:
        return Finding("session", "error", str(error), "run `flowledger migrate`")
    except LogError as error:
        cure = "see the other findings; the service connects as this login and takes its own role"
        return Finding("session", "error", str(error), cure)
    await close_quietly(connection)
    return Finding("session", "ok", "a session of the service is as it must be")


async def _examine_append(database: Database) -> Finding:
    """Append an event as the service does, and take it back."""
    connection = None
    try:
        connection = await database.connect()
        with translate_errors():
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await append_for_trial(connection)
    except LogError as error:
        cure = "see its words, and the other findings: until it is cured, each start is refused"
        return Finding("append", "error", f"no event can be appended: {error}", cure)
    finally:
        if connection is not None:
            await close_quietly(connection)
    return Finding("append", "ok", "an event can be appended; this one was taken back")


async def _examine_migrations(connection: Connection) -> list[Finding]:
    try:
        missing = await missing_migrations(connection)
    except MigrationRefused as error:
        text, _, cure = str(error).partition("\n\n")
        return [Finding("migrations", "error", text, cure)]
    if missing:
        text = f"these are missing: {', '.join(missing)}"
        return [Finding("migrations", "error", text, "run `flowledger migrate`")]
    return [Finding("migrations", "ok", "all of this release are applied")]


_SERVER_CHECKS: Final[Mapping[str, Check]] = {
    "server": server.examine_server,
    "clock": server.examine_clock,
    "role": server.examine_role,
    "migrations": _examine_migrations,
}
"""What can be checked of a database that was never migrated."""


def _ledger_checks(patient: Patient) -> Mapping[str, Check]:
    settings = patient.settings
    return {
        "rights": server.examine_rights,
        "locks": server.examine_locks,
        "protection": history.examine_protection,
        "log": history.examine_ends,
        "partitions": history.examine_partitions,
        "events": history.examine_events,
        "read models": partial(state.examine_read_models, max_lag_s=settings.ready_lag_s),
        "rebuilds": state.examine_rebuilds,
        "credentials": partial(state.examine_credentials, secret_key=settings.secret_key),
        "workers": state.examine_workers,
        "run numbers": state.examine_numbers,
        "disk": partial(history.examine_growth, data_folder=patient.data_folder),
    }
