"""What the verbs share: the settings, the database, and how a verb ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import click
import orjson
import uvloop

from events.database import connect_pool
from events.errors import LogError, LogUnavailable, NotMigrated
from events.store import Log
from projections.errors import ProjectionError
from service.auth.credentials import Credentials
from service.embedded import EmbeddedPostgresError, embedded_postgres
from service.errors import ServiceError
from service.ops.logs import configure_logs
from service.settings import Settings, read_settings


@dataclass(frozen=True, slots=True)
class Ledger:
    """An opened ledger: the settings with its database's URL, and its log."""

    settings: Settings
    pool: Any
    log: Log

    async def credentials(self) -> Credentials:
        """Open the credentials; needs the secret key."""
        credentials = Credentials(self.pool, self.log, self.settings.require_secret_key)
        await credentials.start()
        return credentials


@contextlib.asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Settings]:
    """Settings that name a database: the given one, or the embedded one while this is open."""
    if settings.database_url is not None:
        yield settings
        return
    async with embedded_postgres(settings.home) as url:
        yield replace(settings, database_url=url)


@contextlib.asynccontextmanager
async def open_ledger() -> AsyncIterator[Ledger]:
    """Open the ledger that the settings name, beside whatever else works with it."""
    async with database(read_settings()) as settings:
        pool = await connect_pool(settings.require_database_url, max_size=2)
        try:
            yield Ledger(settings, pool, Log(pool))
        finally:
            await pool.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a verb to its end; what it refuses is one line and exit status 1.

    SIGINT and SIGTERM end it as a cancellation, so that what it opened is closed.
    """
    try:
        settings = read_settings()
        configure_logs(format=settings.log_format, level=settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_cancelled_by_sigterm(work))
    except (ServiceError, LogError, ProjectionError, EmbeddedPostgresError) as error:
        work.close()
        raise click.ClickException(_advice(error)) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(128 + signal.SIGINT) from None
    except asyncio.CancelledError:
        raise click.exceptions.Exit(128 + signal.SIGTERM) from None


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a runner runs it
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await work


def _advice(error: Exception) -> str:
    if isinstance(error, LogUnavailable) and not isinstance(error, NotMigrated):
        return f"{error}; is FLOWLEDGER_DATABASE_URL right, and its server up?"
    return str(error)


def print_json(value: object) -> None:
    """Print a value as JSON, indented."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
