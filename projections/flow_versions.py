"""Caches the flow versions that runs name; they are immutable, so each is read once."""

from __future__ import annotations

from collections.abc import Iterable

from events.bodies import FlowRegistered, RunQueued
from events.envelope import Event
from events.store import Log
from events.types import CATALOGUE_STREAM, FLOW_REGISTERED, RUN_QUEUED
from projections.documents.flow import Flow, flow_of
from projections.errors import UnknownFlowVersion


class FlowVersions:
    """Flow versions by tenant, fullname and version; never evicted."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._known: dict[tuple[str, str, int], Flow] = {}

    def add(self, event: Event) -> None:
        """Cache the flow version of a `FlowRegistered`."""
        body: FlowRegistered = event.data
        key = (event.tenant, body["fullname"], body["version"])
        if key not in self._known:
            self._known[key] = flow_of(event.tenant, body)

    def of(self, event: Event) -> Flow:
        """Give the flow version that a `RunQueued` names, from the cache.

        Raises:
            UnknownFlowVersion: it is not cached; see `load`.
        """
        body: RunQueued = event.data
        key = (event.tenant, body["flow"], body["flow_version"])
        if flow := self._known.get(key):
            return flow
        raise UnknownFlowVersion(*key)

    async def get(self, tenant: str, fullname: str, version: int) -> Flow:
        """Give a flow version, from the tenant's catalogue if it is not cached.

        Raises:
            UnknownFlowVersion: the catalogue lacks it.
            LogError: the log cannot be read.
        """
        key = (tenant, fullname, version)
        if key not in self._known:
            await self._read(tenant)
        if flow := self._known.get(key):
            return flow
        raise UnknownFlowVersion(*key)

    async def _read(self, tenant: str) -> None:
        for event in await self.log.read_stream(tenant, CATALOGUE_STREAM):
            if event.type == FLOW_REGISTERED:
                self.add(event)

    async def load(self, events: Iterable[Event]) -> None:
        """Cache every flow version that these events register or name.

        Raises:
            UnknownFlowVersion: the catalogue lacks a version that a run names.
            LogError: the log cannot be read.
        """
        for event in events:
            if event.type == FLOW_REGISTERED:
                self.add(event)
            elif event.type == RUN_QUEUED:
                body: RunQueued = event.data
                key = (event.tenant, body["flow"], body["flow_version"])
                if key not in self._known:
                    await self.get(*key)
