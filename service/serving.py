"""Serving: the parts of a process run until it is told to stop, its doors open to the network."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import structlog
import uvloop
from aiohttp import web

from service.app import EVERYTHING, Part, Service, build_app, compose, start, stop
from service.errors import InvalidSetting
from service.settings import Settings

BACKLOG: Final = 1024
T = TypeVar("T")

_log = structlog.get_logger(__name__)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on the fast event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@asynccontextmanager
async def serving(
    settings: Settings, parts: Collection[Part] = EVERYTHING
) -> AsyncIterator[tuple[Service, str | None]]:
    """Run a service while the block runs: gives it and, with the part API, its address.

    At the end requests in flight and running tasks get the grace period.

    Raises:
        InvalidSetting: a setting is missing or wrong, or the port cannot be had.
        LogUnavailable: the database does not answer, or was not migrated.
    """
    async with compose(settings, parts) as service:
        doors = _doors(service) if Part.API in service.parts else None
        try:
            await start(service)
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


def _doors(service: Service) -> web.AppRunner:
    debugging = service.settings.log_level == "debug"
    return web.AppRunner(
        build_app(service),
        access_log=logging.getLogger("aiohttp.access") if debugging else None,
        shutdown_timeout=service.settings.grace_s,
    )


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


async def _nothing() -> None:
    return
