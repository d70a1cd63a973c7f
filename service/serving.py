"""Serving: the parts of a process run until it is told to stop, its doors open to the network."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final, NoReturn

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from service.app import build_app, compose, start, stop
from service.errors import InvalidSetting
from service.runtime import ALL_ROLES, ProcessRole, Service
from service.settings import Settings

BACKLOG: Final = 1024

LONGEST_LINE: Final = 32 * 1024
"""Bytes of a request's target, and of one header: up to there a dialect says what is wrong."""

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving(
    settings: Settings, parts: Collection[ProcessRole] = ALL_ROLES
) -> AsyncIterator[tuple[Service, str | None]]:
    """Run a service while the block runs: gives it and, with the part API, its address.

    At the end requests in flight and running tasks get the grace period.

    Raises:
        InvalidSetting: a setting is missing or wrong, or the port cannot be had.
        LogUnavailable: the database does not answer, or was not migrated.
    """
    async with compose(settings, parts) as service:
        doors = _doors(service) if ProcessRole.API in service.process_roles else None
        try:
            await start(service)
            spare_the_collector()
            yield service, await _open(doors, settings) if doors else None
        finally:
            await stop(service, doors.cleanup if doors else _nothing)


async def until_told_to_stop() -> None:
    """Wait for SIGTERM or SIGINT; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def tell(number: signal.Signals) -> None:
        _log.info("stopping", signal=number.name)
        loop.remove_signal_handler(number)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, number)
    await told.wait()


def end_process() -> NoReturn:
    """End the process, status 0, once all of ours is closed.

    What the tasks of flows leave on the loop and in threads would keep it: asyncio and Python wait
    for both without bound, also for what heeds no cancellation.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _doors(service: Service) -> web.AppRunner:
    debugging = service.settings.log_level == "debug"
    return web.AppRunner(
        build_app(service),
        access_log=logging.getLogger("aiohttp.access") if debugging else None,
        logger=_malformed_apart(),
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
        shutdown_timeout=service.settings.grace_s,
    )


def _malformed_apart() -> logging.Logger:
    logger = logging.getLogger("aiohttp.server")
    if not any(isinstance(each, _MalformedApart) for each in logger.filters):
        logger.addFilter(_MalformedApart())
    return logger


class _MalformedApart(logging.Filter):
    """What is no HTTP is its sender's mistake: one quiet line, no traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.args, record.exc_info = "malformed request: %s", (error.code,), None
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True


async def _open(doors: web.AppRunner, settings: Settings) -> str:
    await doors.setup()
    site = web.TCPSite(doors, settings.host, settings.port, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        raise InvalidSetting(
            "FLOWLEDGER_HOST",
            f"and FLOWLEDGER_PORT: cannot listen on {settings.host}:{settings.port}: {error}",
        ) from error
    host, port = doors.addresses[0][:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    _log.info("serving", address=address)
    return address


def spare_the_collector() -> None:
    """Leave what exists to no collection, and collect seldom, in this process from now on.

    What is remembered of runs is large, lives long and has no cycles: collecting as often as Python
    does by default goes through all of it for nothing, a third of a start's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def _nothing() -> None:
    return
