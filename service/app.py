"""The composition root: what the service is made of, how its parts start, and how they stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web

from events.batcher import Batcher
from events.database import Pool, connect_pool
from events.follow import Feed, Notifier
from events.types import CATALOGUE_STREAM, REBUILD_FINISHED
from projections import registry
from projections.flow_versions import Flows
from projections.live.checkpoints import Checkpoints
from projections.live.runner import Runner
from projections.serving.lag import LagMonitor
from projections.serving.version_router import VersionRouter
from service.apis import discover
from service.auth.credentials import Credentials
from service.errors import Unavailable
from service.executors.dispatcher import Dispatcher, new_worker
from service.executors.driver import Tools
from service.executors.heartbeats import Workers
from service.executors.in_process import InProcess
from service.executors.metrics import register_slots
from service.flows import payloads
from service.flows.catalogue import Catalogue
from service.http.server import web_application
from service.metrics.appends import MeasuredLog
from service.metrics.exposition import new_registry
from service.metrics.requests import RequestMetrics
from service.metrics.state import ProcessState
from service.ops.paused import Pauses
from service.ops.rebuilds import Rebuilds
from service.runs.read.completion import Endings
from service.runs.read.history import Audit
from service.runs.read.queries import Queries
from service.runs.write.ids import RunNumbers
from service.runs.write.number_sequence import next_blocks
from service.runs.write.writer import Writer
from service.runtime import ALL_ROLES, SERVICE, ProcessRole, Service
from service.schedules.advisory_lock import turn
from service.schedules.last_fired import Marks
from service.schedules.metrics import firing_counter, unlisted_counter
from service.schedules.retention import Retention
from service.schedules.scheduler import Scheduler
from service.settings import Settings

CATCH_UP_S: Final = 10.0
"""How long a start may take to read up to the head of the log."""

HANG_UP_S: Final = 2.0
"""How long a pool may take to close politely."""


_SCHEDULING: Final = frozenset({ProcessRole.API, ProcessRole.WORK})
"""Any of these: what happens by itself happens once, in however many processes."""


def build_app(service: Service) -> web.Application:
    """Make the web application of a composed service."""
    own, *vendors = service.dialects
    application = web_application(
        service.credentials,
        vendors=vendors,
        own=own,
        settings=service.settings,
        metrics=service.request_metrics,
    )
    application[SERVICE] = service
    return application


@asynccontextmanager
async def compose(
    settings: Settings, parts: Collection[ProcessRole] = ALL_ROLES
) -> AsyncIterator[Service]:
    """Make all parts and connect them; nothing runs yet. Closes its connections at the end.

    Raises:
        InvalidSetting: a setting that the service needs is missing.
        LogUnavailable: the database does not answer, or was not migrated.
        UnknownProjection: the database was not migrated to this release.
    """
    url = settings.require_database_url
    async with AsyncExitStack() as stack:
        keep = partial(_keep, stack)
        pools = _Pools(
            log=await keep(connect_pool(url)),
            looks=await keep(connect_pool(url, max_size=2)),
            keys=await keep(connect_pool(url, max_size=2)),
            beats=await keep(connect_pool(url, max_size=2)),
        )
        service = _assemble(settings, frozenset(parts), pools)
        await service.version_router.open()
        stack.push_async_callback(service.version_router.close)
        yield service


@dataclass(frozen=True, slots=True)
class _Pools:
    """Connections, apart where one use may not keep another waiting.

    ``looks``: how far the read models are; ``keys``: a flood of unknown credentials; ``beats``: a
    heartbeat that waits looks like a death. What reads the read models is `VersionRouter`'s own.
    """

    log: Pool
    looks: Pool
    keys: Pool
    beats: Pool


def _assemble(settings: Settings, parts: frozenset[ProcessRole], pools: _Pools) -> Service:
    url = settings.require_database_url
    metrics = new_registry()
    log = MeasuredLog(pools.log, metrics)
    flows = Flows(log)
    feed, batcher, notifier = Feed(log, url), Batcher(log), Notifier(url)
    batcher.on_commit(feed.wake)
    batcher.on_commit(notifier.committed)
    catalogue = Catalogue(log)
    numbers = RunNumbers(partial(next_blocks, pools.log))
    known = registry.shapes()
    runner = Runner(feed, url, known, flows)
    checkpoints = Checkpoints(pools.looks, runner if ProcessRole.PROJECT in parts else None)
    version_router = VersionRouter(url, pools.looks, checkpoints, known)
    endings = Endings(feed)
    writer = Writer(
        batcher, log, catalogue, flows=flows, numbers=numbers, check_payload=payloads.check
    )
    queries = Queries(
        version_router=version_router,
        runner=runner,
        checkpoints=checkpoints,
        log=log,
        flows=flows,
        endings=endings,
        catalogue=catalogue,
    )
    service = Service(
        settings=settings,
        process_roles=parts,
        log=log,
        flows=flows,
        batcher=batcher,
        notifier=notifier,
        feed=feed,
        runner=runner,
        checkpoints=checkpoints,
        version_router=version_router,
        catalogue=catalogue,
        numbers=numbers,
        writer=writer,
        endings=endings,
        queries=queries,
        audit=Audit(log, pools.log, flows, lambda: version_router.version("workflows").number),
        pauses=Pauses(pools.log, log),
        rebuilds=Rebuilds(url, pools.looks, registry.discover()),
        credentials=Credentials(
            pools.keys,
            log,
            settings.require_secret_key,
            token_life_s=settings.etlworks_token_life_s,
        ),
        dialects=discover(),
        lag_monitor=LagMonitor(pools.looks),
        metrics=metrics,
        request_metrics=RequestMetrics(metrics),
        scheduler=Scheduler(
            catalogue=catalogue,
            writer=writer,
            marks=Marks(pools.log),
            clock=log.now,
            tell=firing_counter(metrics),
        ),
        retention=Retention(
            catalogue=catalogue,
            queries=queries,
            writer=writer,
            feed=feed,
            turn=partial(turn, pools.log),
            default=settings.retention_offset,
            tell=unlisted_counter(metrics),
        ),
    )
    if ProcessRole.WORK in parts:
        _add_worker(service, pools.beats)
    state = ProcessState(
        lambda: {
            "log": pools.log,
            "reading": version_router.pool,
            "looks": pools.looks,
            "keys": pools.keys,
            "beats": pools.beats,
        },
        feed,
        service.supervisor,
    )
    metrics.register(state)
    return service


async def _keep(stack: AsyncExitStack, opening: Awaitable[Pool]) -> Pool:
    pool = await opening
    stack.push_async_callback(_close, pool)
    return pool


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(HANG_UP_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _add_worker(service: Service, beats: Pool) -> None:
    settings = service.settings
    # Without tasks it would claim runs and fail them: it then claims none, and only times runs out.
    slots = 0 if settings.flows is None else settings.slots
    worker = new_worker()
    service.executor = InProcess(settings.flows or settings.home, slots=slots)
    tools = Tools(
        log=service.log,
        flows=service.flows,
        writer=service.writer,
        executor=service.executor,
        slots=asyncio.Semaphore(slots),
    )
    service.dispatcher = Dispatcher(
        worker=worker,
        slots=slots,
        tools=tools,
        feed=service.feed,
        queries=service.queries,
        workers=Workers(beats, worker, slots=slots),
    )
    register_slots(service.metrics, service.dispatcher)


async def start(service: Service) -> None:
    """Start the background tasks, in the order in which they need each other.

    Raises:
        InvalidSetting: the secret key is not the one that the credentials were made under.
        LogUnavailable: the database does not answer.
        Unavailable: the head of the log was not reached in time.
    """
    supervise = service.supervisor.start
    supervise("batcher", service.batcher.run)
    supervise("notifier", service.notifier.run)
    supervise("feed", service.feed.run)
    # Who follows from the feed's head on needs it to be there: before, it stands at 0.
    if not await service.feed.wait_for(await service.log.head(), CATCH_UP_S):
        raise Unavailable(f"the head of the log was not reached within {CATCH_UP_S:.0f} s")
    await service.credentials.start()
    await service.catalogue.load()
    supervise("keys", partial(_follow_keys, service))
    supervise("catalogue", partial(_follow_catalogue, service))
    supervise("endings", service.endings.run)
    supervise("reading", service.version_router.run)
    supervise("flips", partial(_follow_rebuilds, service))
    if ProcessRole.PROJECT in service.process_roles:
        supervise("runner", service.runner.run)
        supervise("rebuilding", service.rebuilds.run)
    if service.dispatcher is not None:
        supervise("dispatcher", service.dispatcher.run)
    if service.process_roles & _SCHEDULING:
        supervise("schedules", service.scheduler.run)
        supervise("retention", service.retention.run)


async def stop(service: Service, close_doors: Callable[[], Awaitable[None]]) -> None:
    """Stop in the reverse order: doors and workers first, with grace, then what they write with."""
    service.stopping = True
    service.supervisor.wind_down()
    await service.supervisor.stop("schedules", "retention")
    workers = service.dispatcher.close(service.settings.grace_s) if service.dispatcher else _done()
    await asyncio.gather(close_doors(), workers)
    await service.supervisor.stop("dispatcher")
    await service.writer.close()
    await service.batcher.close()
    await service.numbers.close()
    await service.supervisor.stop()
    if service.executor is not None:
        await service.executor.close()


async def _done() -> None:
    return


async def _follow_keys(service: Service) -> None:
    after = service.feed.head
    await service.credentials.refresh()
    async for events in service.feed.subscribe(after):
        service.credentials.apply(events)


async def _follow_catalogue(service: Service) -> None:
    after = service.feed.head
    await service.catalogue.load()
    service.scheduler.look()
    service.retention.look()
    async for events in service.feed.subscribe(after):
        service.catalogue.apply(events)
        if any(event.stream == CATALOGUE_STREAM for event in events):
            service.scheduler.look()
        service.retention.hear(events)


async def _follow_rebuilds(service: Service) -> None:
    async for events in service.feed.subscribe(service.feed.head):
        if any(event.type == REBUILD_FINISHED for event in events):
            service.runner.notify()
            service.version_router.notify()
