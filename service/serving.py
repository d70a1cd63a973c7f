"""Serving: runs the parts of one process, and its HTTP listener, until the process must stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final, NoReturn

import structlog
from aiohttp import web

from service.app import build_app, compose
from service.errors import InvalidSetting
from service.http.connections import Runner
from service.lifecycle import start, stop
from service.ops.watchdog import WATCHDOG_STATUS
from service.runtime import ALL_ROLES, ProcessRole, Service
from service.settings import Settings

BACKLOG: Final = 1024

ALARM_S: Final = 10.0
"""How long a process shows an alarm in `/health/ready` and `/metrics` before it ends."""

REPLACED_STATUS: Final = 3
"""The exit status after the database was replaced by an older copy: start the process anew."""

STOP_MARGIN_S: Final = 10.0
"""How long a process may take to end, beyond the grace period."""

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving(
    settings: Settings, process_roles: Collection[ProcessRole] = ALL_ROLES
) -> AsyncIterator[tuple[Service, str | None]]:
    """Run a service while the block runs; yield it and its address.

    The address is None without the role API. At the end, requests in flight and running tasks get
    the grace period.

    Raises:
        InvalidSetting: a setting is missing or wrong, or the port is taken.
        LogUnavailable: the database does not answer, or was not migrated.
    """
    async with compose(settings, process_roles) as service:
        listener = _listener(service) if ProcessRole.API in service.process_roles else None
        try:
            await start(service)
            tune_garbage_collection()
            yield service, await _listen(listener, settings) if listener else None
        finally:
            await stop(service, listener.cleanup if listener else _nothing)


async def wait_until_stopped(service: Service) -> int:
    """Wait for a stop signal, or for an alarm that ends the process; return its exit status.

    After SIGTERM the process serves on for a while and says that it is not ready, so that a load
    balancer sends new requests elsewhere before the listener closes. The alarms are a database that
    was replaced by an older copy, which is shown for `ALARM_S`, and one that was silent for too
    long.
    """
    stopping = asyncio.create_task(wait_for_stop_signal(), name="wait for a stop signal")
    alarm = asyncio.create_task(service.database.timeline.replaced.wait(), name="wait for an alarm")
    silence = asyncio.create_task(_wait_for_silence(service), name="wait for a silent database")
    try:
        tasks = (stopping, alarm, silence)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if alarm.done() and not stopping.done():
            await asyncio.wait((stopping,), timeout=ALARM_S)
            return REPLACED_STATUS
        if not stopping.done():
            return WATCHDOG_STATUS
        service.readiness.draining = True
        if stopping.result() is signal.SIGTERM:
            await asyncio.wait((alarm,), timeout=service.settings.drain_s)
        return 0
    finally:
        stopping.cancel()
        alarm.cancel()
        silence.cancel()


async def _wait_for_silence(service: Service) -> None:
    bound_s = service.settings.database_silence_s or float("inf")
    timeline = service.database.timeline
    while (silent_s := time.monotonic() - timeline.answered_at_s) < bound_s:  # noqa: ASYNC110 - it is an absence
        await asyncio.sleep(1.0)
    _log.critical("the database has not answered; this process ends", silent_s=round(silent_s))


async def wait_for_stop_signal() -> signal.Signals:
    """Wait for SIGTERM or SIGINT and return it; a second one of either ends the process at once."""
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[signal.Signals] = loop.create_future()

    def on_signal(number: signal.Signals) -> None:
        _log.info("stopping", signal=number.name)
        for each in _STOP_SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        if not stopping.done():
            stopping.set_result(number)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    return await stopping


def end_process(status: int) -> NoReturn:
    """End the process, after everything of ours is closed.

    A normal exit would wait without bound for coroutines and threads that a flow's task has left
    behind, even for those that ignore cancellation.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def tune_garbage_collection() -> None:
    """Exempt all existing objects from garbage collection, and collect rarely from now on.

    The cached runs are large, long-lived and free of cycles. With Python's defaults, scanning them
    takes a third of the time of a start request, and finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _listener(service: Service) -> web.AppRunner:
    debugging = service.settings.log_level == "debug"
    return Runner(
        build_app(service),
        service.connection_counts,
        access_log=logging.getLogger("aiohttp.access") if debugging else None,
        keepalive_timeout=service.settings.keepalive_s,
        shutdown_timeout=service.settings.grace_s,
    )


async def _listen(listener: web.AppRunner, settings: Settings) -> str:
    await listener.setup()
    site = web.TCPSite(listener, settings.host, settings.port, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        raise InvalidSetting(
            "FLOWLEDGER_HOST",
            f"and FLOWLEDGER_PORT: cannot listen on {settings.host}:{settings.port}: {error}",
        ) from error
    host, port = listener.addresses[0][:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    _log.info("serving", address=address)
    return address


async def _nothing() -> None:
    return
