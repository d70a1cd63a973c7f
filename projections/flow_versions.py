"""The flow versions that runs name: immutable, so a process reads each from the catalogue once."""

from __future__ import annotations

from collections.abc import Iterable

from events.bodies import FlowRegistered, RunQueued
from events.envelope import Event
from events.store import Log
from events.types import CATALOGUE_STREAM, FLOW_REGISTERED, RUN_QUEUED
from projections.documents.flow import Flow, flow_of
from projections.errors import UnknownFlowVersion


class Flows:
    """Flow versions by tenant, fullname and version, remembered for ever."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._known: dict[tuple[str, str, int], Flow] = {}

    def offer(self, event: Event) -> None:
        """Remember the flow of a `FlowRegistered` that passes by."""
        body: FlowRegistered = event.data
        key = (event.tenant, body["fullname"], body["version"])
        if key not in self._known:
            self._known[key] = flow_of(event.tenant, body)

    def of(self, event: Event) -> Flow:
        """Give the flow version that a `RunQueued` names, from memory.

        Raises:
            UnknownFlowVersion: it was neither offered nor asked for.
        """
        body: RunQueued = event.data
        key = (event.tenant, body["flow"], body["flow_version"])
        if flow := self._known.get(key):
            return flow
        raise UnknownFlowVersion(*key)

    async def get(self, tenant: str, fullname: str, version: int) -> Flow:
        """Give a flow version, reading the tenant's catalogue if it is not known yet.

        Raises:
            UnknownFlowVersion: the catalogue does not hold it.
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
                self.offer(event)

    async def prepare(self, events: Iterable[Event]) -> None:
        """Have in memory every flow version that these events register or name.

        Raises:
            UnknownFlowVersion: a run names a version that its catalogue does not hold.
            LogError: the log cannot be read.
        """
        for event in events:
            if event.type == FLOW_REGISTERED:
                self.offer(event)
            elif event.type == RUN_QUEUED:
                body: RunQueued = event.data
                key = (event.tenant, body["flow"], body["flow_version"])
                if key not in self._known:
                    await self.get(*key)
