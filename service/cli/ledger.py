"""What the verbs share: opening the ledger, printing, progress, errors and signals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import click
import orjson
import uvloop
from tqdm import tqdm

from events.database import connect_pool
from events.errors import (
    LedgerReplaced,
    LogError,
    LogUnavailable,
    NotMigrated,
    SessionRefused,
)
from events.store import Log
from projections.errors import ProjectionError
from service.auth.credentials import Credentials
from service.embedded import EmbeddedPostgresError, embedded_postgres
from service.errors import ServiceError
from service.ops.logs import configure_logs
from service.settings import Settings, read_settings

QUIET = click.option("--quiet", is_flag=True, help="Show no progress.")


@dataclass(frozen=True, slots=True)
class Ledger:
    """An opened ledger: the settings with its database's URL, a pool and the log."""

    settings: Settings
    pool: Any
    log: Log

    async def credentials(self) -> Credentials:
        """Open the credentials, which needs the secret key."""
        credentials = Credentials(self.pool, self.log, self.settings.require_secret_key)
        await credentials.start()
        return credentials


@contextlib.asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Settings]:
    """Yield settings that name a database; run the embedded Postgres where none is named."""
    if settings.database_url is not None:
        yield settings
        return
    async with embedded_postgres(settings.home) as url:
        yield replace(settings, database_url=url)


@contextlib.asynccontextmanager
async def open_ledger() -> AsyncIterator[Ledger]:
    """Open the ledger of the settings; other processes may use it at the same time."""
    async with database(read_settings()) as settings:
        pool = await connect_pool(settings.require_database_url, max_size=2)
        try:
            yield Ledger(settings, pool, Log(pool))
        finally:
            await pool.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a verb; print an expected error as one line and exit with status 1.

    SIGINT and SIGTERM cancel the verb, so that it closes what it has opened.
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


_SAYS_ITS_CURE: Final = (LedgerReplaced, NotMigrated, SessionRefused)


def _advice(error: Exception) -> str:
    if isinstance(error, LogUnavailable) and not isinstance(error, _SAYS_ITS_CURE):
        return f"{error}; check FLOWLEDGER_DATABASE_URL and that its server runs"
    return str(error)


def print_json(value: object) -> None:
    """Print a value as JSON, indented."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


@contextlib.contextmanager
def progress(total: int | None, unit: str, *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """Show rate and remaining time on standard error; yield the function that advances the bar.

    Nothing is shown where standard error is not a terminal.
    """
    disable = True if quiet else None  # None: tqdm looks whether there is a terminal
    with tqdm(total=total, unit=unit, unit_scale=True, disable=disable, leave=False) as bar:
        yield bar.update
