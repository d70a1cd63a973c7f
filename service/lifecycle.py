"""Starts and stops the background tasks of a service, in the order of their dependencies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from events.envelope import Event
from events.follow import Feed
from events.types import CATALOGUE_STREAM, REBUILD_FINISHED
from projections.registry import check_checkpoints
from service.errors import Unavailable
from service.ops.connections import needed_by, require_connections
from service.runtime import ProcessRole, Service

CATCH_UP_S: Final = 10.0
"""How long a start may take to read up to the head of the log."""

_SCHEDULING: Final = frozenset({ProcessRole.API, ProcessRole.WORK})
"""A process with either role runs schedules and retention; a due run starts only once."""


async def start(service: Service) -> None:
    """Start the background tasks, in the order in which they need each other.

    Raises:
        TooFewConnections: the database allows fewer than this process needs.
        UnreadableReadModels: the service's role may not read a read model.
        CheckpointBeyondLog: a read model shows events that the log does not hold.
        InvalidSetting: the secret key is not the one that the credentials were made under.
        LogUnavailable: the database does not answer.
        Unavailable: the head of the log was not reached in time.
    """
    projects = ProcessRole.PROJECT in service.process_roles
    await require_connections(service.database, needed_by(projects=projects))
    check_checkpoints(await service.positions.statuses())
    await service.positions.require_readable()
    await _start_log(service)
    await service.hold.load()
    await service.credentials.start()
    await service.catalogue.load()
    _start_followers(service)
    supervise = service.supervisor.start
    await service.readiness.probe()
    supervise("readiness", service.readiness.run)
    if projects:
        supervise("runner", service.read_models.runner.run)
        supervise("rebuilding", service.operations.rebuilds.run)
    if service.worker is not None:
        await service.worker.dispatcher.heartbeats.beat()  # before anybody asks whether it is alive
        supervise("dispatcher", service.worker.dispatcher.run)
    if service.process_roles & _SCHEDULING:
        supervise("schedules", service.schedules.scheduler.run)
        supervise("retention", service.schedules.retention.run)


async def stop(service: Service, close_listener: Callable[[], Awaitable[None]]) -> None:
    """Stop in reverse order: listener and worker first, within the grace period; then the log."""
    service.readiness.draining = True
    service.supervisor.wind_down()
    await service.supervisor.stop("schedules", "retention")
    await asyncio.gather(close_listener(), _drain_worker(service))
    await service.supervisor.stop("dispatcher")
    await service.writer.close()
    await service.log_io.batcher.close()
    await service.numbers.close()
    await service.supervisor.stop()
    if service.worker is not None:
        await service.worker.executor.close()


async def _start_log(service: Service) -> None:
    log_io, supervise = service.log_io, service.supervisor.start
    supervise("batcher", log_io.batcher.run)
    supervise("notifier", log_io.notifier.run)
    supervise("feed", log_io.feed.run)
    # Subscribers start at the feed's head, which is 0 until the feed has caught up.
    if not await log_io.feed.wait_for(await service.log.head(), CATCH_UP_S):
        raise Unavailable(f"the head of the log was not reached within {CATCH_UP_S:.0f} s")


def _start_followers(service: Service) -> None:
    supervise = service.supervisor.start
    feed, keys, hold = service.log_io.feed, service.credentials, service.hold
    supervise("keys", partial(_follow, feed, keys.refresh, keys.apply))
    supervise("hold", partial(_follow, feed, hold.load, hold.apply))
    supervise("catalogue", partial(_follow_catalogue, service))
    supervise("endings", service.run_completion.run)
    supervise("reading", service.read_models.version_router.run)
    supervise("flips", partial(_follow_rebuilds, service))


async def _drain_worker(service: Service) -> None:
    if service.worker is not None:
        # Tasks of a history that is gone are not waited for.
        replaced = service.database.timeline.replaced.is_set()
        await service.worker.dispatcher.close(0 if replaced else service.settings.grace_s)


async def _follow(
    feed: Feed,
    load: Callable[[], Awaitable[object]],
    apply: Callable[[Sequence[Event]], object],
) -> None:
    """Load what is folded from the log, then apply the events that follow."""
    after = feed.head
    await load()
    async for events in feed.subscribe(after):
        apply(events)


async def _follow_catalogue(service: Service) -> None:
    feed, schedules = service.log_io.feed, service.schedules
    after = feed.head
    await service.catalogue.load()
    schedules.scheduler.notify()
    schedules.retention.notify()
    async for events in feed.subscribe(after):
        service.catalogue.apply(events)
        if any(event.stream == CATALOGUE_STREAM for event in events):
            schedules.scheduler.notify()
        schedules.retention.on_events(events)


async def _follow_rebuilds(service: Service) -> None:
    feed = service.log_io.feed
    async for events in feed.subscribe(feed.head):
        if any(event.type == REBUILD_FINISHED for event in events):
            service.read_models.runner.notify()
            service.read_models.version_router.notify()
