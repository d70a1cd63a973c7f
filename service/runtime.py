"""The running service: what one process is made of, and the key under which handlers find it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from events.batcher import Batcher
from events.database import Database
from events.follow import Feed, Notifier
from events.store import Log
from projections.flow_versions import FlowVersions
from projections.live.checkpoints import Checkpoints
from projections.live.runner import Runner
from projections.serving.lag import LagMonitor
from projections.serving.version_router import VersionRouter
from service.auth.credentials import Credentials
from service.dialect import Dialect
from service.executors.dispatcher import Dispatcher
from service.executors.in_process import InProcess
from service.flows.catalogue import Catalogue
from service.hold import Hold
from service.metrics.requests import ConnectionCounts, RequestMetrics
from service.ops.paused import PausedReadModels
from service.ops.readiness import Readiness
from service.ops.rebuilds import Rebuilds
from service.ops.supervisor import Supervisor
from service.runs.read.completion import RunCompletionWaiter
from service.runs.read.history import Audit
from service.runs.read.positions import ReadModelPositions
from service.runs.read.queries import Queries
from service.runs.write.ids import RunNumbers
from service.runs.write.writer import Writer
from service.schedules.retention import Retention
from service.schedules.scheduler import Scheduler
from service.settings import Settings


class ProcessRole(StrEnum):
    """What a process may do; `serve` does all of it, `project` and `work` one each."""

    API = "api"
    PROJECT = "project"
    WORK = "work"


ALL_ROLES: Final = frozenset(ProcessRole)


@dataclass(frozen=True, slots=True)
class LogIO:
    """What appends events in batches, wakes other processes, and delivers new events decoded."""

    batcher: Batcher
    notifier: Notifier
    feed: Feed


@dataclass(frozen=True, slots=True)
class ReadModels:
    """What keeps the read models up to date, and what routes queries to their versions."""

    flows: FlowVersions
    runner: Runner
    checkpoints: Checkpoints
    version_router: VersionRouter


@dataclass(frozen=True, slots=True)
class Operations:
    """What operators of the read models use: status, paused ones, rebuilds."""

    lag_monitor: LagMonitor
    paused: PausedReadModels
    rebuilds: Rebuilds


@dataclass(frozen=True, slots=True)
class Schedules:
    """What starts runs when they are due, and removes old ones from the lists."""

    scheduler: Scheduler
    retention: Retention


@dataclass(frozen=True, slots=True)
class Worker:
    """What executes runs in this process."""

    executor: InProcess
    dispatcher: Dispatcher


@dataclass(slots=True)
class Service:
    """All parts of one process."""

    settings: Settings
    process_roles: frozenset[ProcessRole]
    database: Database
    log: Log
    hold: Hold
    log_io: LogIO
    read_models: ReadModels
    catalogue: Catalogue
    numbers: RunNumbers
    run_completion: RunCompletionWaiter
    writer: Writer
    positions: ReadModelPositions
    queries: Queries
    audit: Audit
    operations: Operations
    credentials: Credentials
    dialects: tuple[Dialect, ...]
    metrics: CollectorRegistry
    request_metrics: RequestMetrics
    connection_counts: ConnectionCounts
    schedules: Schedules = field(init=False)
    worker: Worker | None = None
    readiness: Readiness = field(init=False)
    supervisor: Supervisor = field(default_factory=Supervisor)


SERVICE: Final[web.AppKey[Service]] = web.AppKey("service")
"""The service that a web application serves."""
