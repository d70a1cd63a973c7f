"""The composition root: builds every part of a service from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from events.batcher import Batcher
from events.database import Database, Pool
from events.follow import Feed, Notifier
from events.store import Log
from projections import registry
from projections.flow_versions import FlowVersions
from projections.live.checkpoints import Checkpoints
from projections.live.runner import Runner
from projections.serving.lag import LagMonitor
from projections.serving.version_router import VersionRouter
from service.apis import discover
from service.auth.credentials import Credentials
from service.executors.dispatcher import Dispatcher, new_worker
from service.executors.driver import DriverDeps
from service.executors.heartbeats import Heartbeats
from service.executors.in_process import InProcess
from service.executors.metrics import register_slots
from service.flows import payloads
from service.flows.catalogue import Catalogue
from service.hold import Hold
from service.http.server import web_application
from service.metrics.appends import MeasuredLog
from service.metrics.exposition import new_registry
from service.metrics.requests import ConnectionCounts, RequestMetrics
from service.metrics.state import ProcessState
from service.ops.paused import PausedReadModels
from service.ops.readiness import Readiness
from service.ops.rebuilds import Rebuilds
from service.runs.read.completion import RunCompletionWaiter
from service.runs.read.history import Audit
from service.runs.read.positions import ReadModelPositions
from service.runs.read.queries import Queries
from service.runs.write.ids import RunNumbers
from service.runs.write.number_sequence import NumberBlocks
from service.runs.write.writer import Writer
from service.runtime import (
    ALL_ROLES,
    SERVICE,
    LogIO,
    Operations,
    ProcessRole,
    ReadModels,
    Schedules,
    Service,
    Worker,
)
from service.schedules.last_fired import LastFiredTable
from service.schedules.metrics import firing_counter, unlisted_counter
from service.schedules.retention import Retention
from service.schedules.scheduler import Scheduler
from service.settings import Settings


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
    settings: Settings, process_roles: Collection[ProcessRole] = ALL_ROLES
) -> AsyncIterator[Service]:
    """Make and connect all parts without starting them; close their connections at the end.

    Raises:
        InvalidSetting: a setting that the service needs is missing.
        LogUnavailable: the database does not answer, or was not migrated.
        UnknownProjection: the database was not migrated to this release.
    """
    async with AsyncExitStack() as stack:
        database = Database(
            settings.require_database_url, statement_timeout_s=settings.database_timeout_s
        )
        pools = await _connect(stack, database)
        service = _assemble(settings, frozenset(process_roles), database, pools)
        await service.read_models.version_router.open()
        stack.push_async_callback(service.read_models.version_router.close)
        yield service


@dataclass(frozen=True, slots=True)
class _Pools:
    """Connections of this process, one pool for each use that must not delay another.

    ``status`` reads how far the read models are. ``keys`` looks up credentials: a flood of unknown
    ones fills it. ``heartbeats`` stands alone because a late heartbeat looks like a dead worker.
    Queries of the read models have pools of their own, in `VersionRouter`.
    """

    log: Pool
    status: Pool
    keys: Pool
    heartbeats: Pool


async def _connect(stack: AsyncExitStack, database: Database) -> _Pools:
    async def opened(pool: Awaitable[Pool]) -> Pool:
        opened = await pool
        stack.push_async_callback(opened.close)
        return opened

    return _Pools(
        log=await opened(database.open_pool()),
        status=await opened(database.open_pool(max_size=2)),
        keys=await opened(database.open_pool(max_size=2)),
        heartbeats=await opened(database.open_pool(max_size=2)),
    )


def _assemble(
    settings: Settings,
    process_roles: frozenset[ProcessRole],
    database: Database,
    pools: _Pools,
) -> Service:
    metrics = new_registry()
    log = MeasuredLog(pools.log, metrics)
    hold = Hold(log)
    log_io = _log_io(log, database)
    read_models = _read_models(database, log, log_io.feed, pools, process_roles)
    catalogue = Catalogue(log)
    numbers = RunNumbers(NumberBlocks(pools.log).take)
    run_completion = RunCompletionWaiter(log_io.feed)
    writer = Writer(
        log_io.batcher,
        log,
        catalogue,
        flows=read_models.flows,
        numbers=numbers,
        check_payload=payloads.check,
        hold=hold,
    )
    positions = ReadModelPositions(read_models.version_router, read_models.checkpoints, log)
    queries = _queries(log, catalogue, read_models, positions, run_completion)
    service = Service(
        settings=settings,
        process_roles=process_roles,
        database=database,
        log=log,
        hold=hold,
        log_io=log_io,
        read_models=read_models,
        catalogue=catalogue,
        numbers=numbers,
        run_completion=run_completion,
        writer=writer,
        positions=positions,
        queries=queries,
        audit=_audit(log, pools, read_models),
        operations=_operations(database, log, pools),
        credentials=_credentials(settings, log, pools),
        dialects=discover(),
        metrics=metrics,
        request_metrics=RequestMetrics(metrics),
        connection_counts=ConnectionCounts(settings.connections_per_address),
    )
    metrics.register(service.connection_counts)
    service.schedules = _schedules(service, pools)
    if ProcessRole.WORK in process_roles:
        service.worker = _worker(service, pools)
    service.readiness = _readiness(service)
    _measure_process(service, pools)
    return service


def _log_io(log: Log, database: Database) -> LogIO:
    log_io = LogIO(feed=Feed(log), batcher=Batcher(log), notifier=Notifier(database))
    log_io.batcher.on_commit(log_io.feed.wake)
    log_io.batcher.on_commit(log_io.notifier.notify)
    return log_io


def _read_models(
    database: Database, log: Log, feed: Feed, pools: _Pools, process_roles: frozenset[ProcessRole]
) -> ReadModels:
    flows, known = FlowVersions(log), registry.discover_all()
    runner = Runner(feed, database, known, flows)
    projects = ProcessRole.PROJECT in process_roles
    checkpoints = Checkpoints(pools.status, runner if projects else None)
    version_router = VersionRouter(pools.status, checkpoints, known)
    return ReadModels(
        flows=flows, runner=runner, checkpoints=checkpoints, version_router=version_router
    )


def _queries(
    log: Log,
    catalogue: Catalogue,
    read_models: ReadModels,
    positions: ReadModelPositions,
    run_completion: RunCompletionWaiter,
) -> Queries:
    return Queries(
        version_router=read_models.version_router,
        positions=positions,
        runner=read_models.runner,
        log=log,
        flows=read_models.flows,
        run_completion=run_completion,
        catalogue=catalogue,
    )


def _audit(log: Log, pools: _Pools, read_models: ReadModels) -> Audit:
    version_router = read_models.version_router
    return Audit(
        log, pools.log, read_models.flows, lambda: version_router.version("workflows").number
    )


def _operations(database: Database, log: Log, pools: _Pools) -> Operations:
    return Operations(
        paused=PausedReadModels(pools.log, log),
        rebuilds=Rebuilds(database.url, pools.status, registry.discover()),
        lag_monitor=LagMonitor(pools.status),
    )


def _credentials(settings: Settings, log: Log, pools: _Pools) -> Credentials:
    return Credentials(
        pools.keys,
        log,
        settings.require_secret_key,
        token_lifetime_s=settings.etlworks_token_life_s,
    )


def _schedules(service: Service, pools: _Pools) -> Schedules:
    scheduler = Scheduler(
        catalogue=service.catalogue,
        writer=service.writer,
        last_fired=LastFiredTable(pools.log),
        clock=service.log.clock,
        hold=service.hold,
        on_result=firing_counter(service.metrics),
    )
    retention = Retention(
        catalogue=service.catalogue,
        queries=service.queries,
        positions=service.positions,
        writer=service.writer,
        feed=service.log_io.feed,
        pool=pools.log,
        default=service.settings.retention_offset,
        on_result=unlisted_counter(service.metrics),
    )
    return Schedules(scheduler=scheduler, retention=retention)


def _worker(service: Service, pools: _Pools) -> Worker:
    settings, worker = service.settings, new_worker()
    # Without flows a worker claims no run, since it would fail it; it still times runs out.
    slots = 0 if settings.flows is None else settings.slots
    executor = InProcess(settings.flows or settings.home, slots=slots)
    deps = DriverDeps(
        log=service.log,
        flows=service.read_models.flows,
        writer=service.writer,
        executor=executor,
        slots=asyncio.Semaphore(slots),
    )
    dispatcher = Dispatcher(
        worker=worker,
        slots=slots,
        deps=deps,
        feed=service.log_io.feed,
        queries=service.queries,
        positions=service.positions,
        heartbeats=Heartbeats(pools.heartbeats, worker, slots=slots),
        hold=service.hold,
    )
    register_slots(service.metrics, dispatcher)
    return Worker(executor=executor, dispatcher=dispatcher)


def _readiness(service: Service) -> Readiness:
    worker = service.worker
    return Readiness(
        service.database,
        service.log.health,
        service.supervisor,
        max_lag_s=service.settings.ready_lag_s,
        hold=service.hold,
        is_isolated=lambda: worker is not None and worker.dispatcher.heartbeats.isolated,
    )


def _measure_process(service: Service, pools: _Pools) -> None:
    def named_pools() -> Mapping[str, Pool]:
        # The names stand in the metric's labels, where dashboards match on them.
        return {
            "log": pools.log,
            "reading": service.read_models.version_router.pool,
            "looks": pools.status,
            "keys": pools.keys,
            "beats": pools.heartbeats,
        }

    service.metrics.register(
        ProcessState(
            named_pools,
            service.log_io.feed,
            service.supervisor,
            service.database.timeline,
            service.readiness,
            service.hold,
        )
    )
