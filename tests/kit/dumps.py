"""Dumps of a ledger, and the ways in which operators restore them into a new cluster."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from itertools import product
from urllib.parse import urlsplit

import asyncpg

from events.errors import MigrationRefused
from service.ops.migrations import migrate_all
from tests.postgres import OwnCluster, programs

DATABASE = "restored"
LOGINS = ("administrator", "owner", "stranger")
"""As whom the service logs in: as the administrator who restored; as the owner of the database,
who restored it and may make roles; as a role without any right, after an administrator restored."""

ROLE = "create role flowledger_app nologin"


@dataclass(frozen=True)
class Way:
    """One way to dump and restore."""

    owners: bool
    privileges: bool
    role_first: bool
    login: str

    def __str__(self) -> str:
        parts = (
            "owners" if self.owners else "no-owners",
            "privileges" if self.privileges else "no-privileges",
            "role-first" if self.role_first else "no-role",
            self.login,
        )
        return "-".join(parts)

    @property
    def options(self) -> list[str]:
        """What `pg_dump` is told."""
        without = {"--no-owner": not self.owners, "--no-privileges": not self.privileges}
        return [option for option, given in without.items() if given]


WAYS = tuple(
    Way(*choice) for choice in product((True, False), (True, False), (True, False), LOGINS)
)


def dump(url: str, *options: str) -> bytes:
    """Dump a database as it is at this moment."""
    command = [programs() / "pg_dump", *options, url]
    return subprocess.run(command, check=True, capture_output=True).stdout


async def restore(made: bytes, cluster: OwnCluster, way: Way) -> str:
    """Restore into a new database of a cluster, and return the URL by which the service logs in.

    Statements that name a role which is not there fail, as they do for operators.
    """
    administrator = await asyncpg.connect(cluster.url)
    try:
        await _clear(administrator)
        if way.role_first:
            await administrator.execute(ROLE)
        if way.login != "administrator":
            may = "createrole" if way.login == "owner" else ""
            await administrator.execute(f"create role ledger login password 'x' {may}")
        owner = "owner ledger" if way.login == "owner" else ""
        await administrator.execute(f"create database {DATABASE} {owner} template template0")
    finally:
        await administrator.close()
    administrators = at(cluster.url)
    logins = (
        administrators if way.login == "administrator" else as_login(administrators, "ledger:x")
    )
    restored_by = logins if way.login == "owner" else administrators
    await asyncio.to_thread(load, made, restored_by)
    return logins


def load(made: bytes, url: str) -> None:
    """Restore into an empty database, and go on after a statement that fails."""
    command = [programs() / "psql", "--quiet", "--no-psqlrc", url]
    subprocess.run(command, input=made, check=True, capture_output=True)


async def _clear(administrator: asyncpg.Connection) -> None:
    await administrator.execute(f"drop database if exists {DATABASE} with (force)")
    for role in ("flowledger_app", "ledger"):
        if await administrator.fetchval("select to_regrole($1)::text", role):
            await administrator.execute(f"drop owned by {role}")
            await administrator.execute(f"drop role {role}")


async def migrate_with_help(url: str, cluster: OwnCluster, refusals: int = 4) -> list[str]:
    """Run the migration, and what it tells an administrator to run, until it succeeds.

    Returns what an administrator was told; empty if the login needed no help.
    """
    told: list[str] = []
    while (script := await _refused(url)) is not None:
        assert script.strip()
        assert len(told) < refusals, told
        told.append(script)
        administrator = await asyncpg.connect(at(cluster.url))
        await administrator.execute(script)
        await administrator.close()
    return told


async def _refused(url: str) -> str | None:
    """Run the migration; return what it tells an administrator to run, None if it succeeds."""
    try:
        await migrate_all(url)
    except MigrationRefused as refused:
        return str(refused).partition("\n\n")[2]
    return None


def at(url: str, database: str = DATABASE) -> str:
    """The URL of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def as_login(url: str, credentials: str) -> str:
    """The same URL for another login."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{credentials}@{parts.netloc.rpartition('@')[2]}").geturl()
