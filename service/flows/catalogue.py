"""Each tenant's catalogue of flows, folded in memory from its stream in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from events.bodies import CatalogueBody
from events.envelope import Event, Position, Version
from events.errors import VersionConflict
from events.store import Log
from events.types import CATALOGUE_STREAM, FLOW_REGISTERED
from projections.documents.flow import Flow, Registered, flow_of
from projections.documents.run import micros
from service.dataloader import DataLoader, Found
from service.flows.schedule import schedule_in

EMPTY: Final = Version(0)
BEFORE: Final = Position(0)

REFRESH_INTERVAL_S: Final = 0.05
"""Seconds between two refreshes for flows that are not in memory."""

IdKey = tuple[str, str, Any]
"""A vendor, the name of one of its ids, and the id."""


@dataclass(slots=True)
class TenantCatalogue:
    """One tenant's catalogue, up to ``version`` of its stream.

    ``flows`` holds the latest version of every flow, retired ones included; ``versions`` holds all
    of them in order. ``owners`` maps a vendor id to its flow: an id of any version belongs to that
    flow for ever. ``due_since`` is when a flow got its present schedule; other changes keep it.
    ``position`` is that of the last folded event, ``touched_us`` the time of a flow's last
    registration or retirement.
    """

    tenant: str
    version: Version = EMPTY
    flows: dict[str, Flow] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    owners: dict[IdKey, str] = field(default_factory=dict)
    due_since: dict[str, datetime] = field(default_factory=dict)
    versions: dict[str, list[Registered]] = field(default_factory=dict)
    touched_us: dict[str, int] = field(default_factory=dict)
    position: Position = BEFORE

    def apply(self, event: Event) -> None:
        """Fold the next event of the stream; a repeated one changes nothing.

        Raises:
            VersionConflict: an event in between is missing.

        """
        if event.version <= self.version:
            return
        if event.version > self.version + 1:
            raise VersionConflict(self.tenant, event.stream, event.version - 1, self.version)
        body: CatalogueBody = event.data
        self.touched_us[body["fullname"]] = micros(event.recorded_at)
        if event.type == FLOW_REGISTERED:
            self._register(event)
        else:
            self.retired.add(body["fullname"])
        self.version = event.version
        self.position = event.position

    def _register(self, event: Event) -> None:
        flow = flow_of(event.tenant, event.data)
        before = None if flow.fullname in self.retired else self.flows.get(flow.fullname)
        if before is None or schedule_in(before.definition) != schedule_in(flow.definition):
            self.due_since[flow.fullname] = event.recorded_at
        at = Registered(flow, event.position, micros(event.recorded_at))
        self.flows[flow.fullname] = flow
        self.versions.setdefault(flow.fullname, []).append(at)
        self.retired.discard(flow.fullname)
        self.owners.update(dict.fromkeys(id_keys(flow), flow.fullname))

    def by_id(self, vendor: str, name: str, value: object) -> Flow | None:
        """Find the latest version of the flow that has or had a vendor's id; a retired one too."""
        owner = self.owners.get((vendor, name, value))
        return None if owner is None else self.flows[owner]

    def named(self, name: str) -> list[Flow]:
        """Find the flow with this fullname, else all with this name in their projects."""
        if name in self.flows and name not in self.retired:
            return [self.flows[name]]
        return [flow for flow in self.current if flow.name == name]

    @property
    def current(self) -> list[Flow]:
        """The flows that are not retired, by fullname."""
        return [flow for name, flow in sorted(self.flows.items()) if name not in self.retired]


def id_keys(flow: Flow) -> list[IdKey]:
    """List every vendor id of a flow version."""
    return [
        (vendor, name, value) for vendor, ids in flow.ids.items() for name, value in ids.items()
    ]


class Catalogue:
    """The flows of all tenants, in memory, as of the last event loaded or applied."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._by_tenant: dict[str, TenantCatalogue] = {}
        self._refreshes: DataLoader[str, None] = DataLoader(self._refresh_all)
        self._refreshed_s = 0.0

    async def load(self) -> None:
        """Read every tenant's catalogue from the log."""
        keys = [(tenant, CATALOGUE_STREAM) for tenant in await self._log.tenants()]
        for events in (await self._log.read_streams(keys)).values():
            self.apply(events)

    async def refresh(self, tenant: str) -> None:
        """Read the events of a tenant's catalogue that are not in memory yet."""
        after = self.version_of(tenant)
        self.apply(await self._log.read_stream(tenant, CATALOGUE_STREAM, after))

    async def refresh_soon(self, tenant: str) -> None:
        """Refresh for a caller that misses a flow: another process may have registered it.

        Refreshes are at least `REFRESH_INTERVAL_S` apart, and callers share the next one: so many
        unknown flows do not become many queries.
        """
        await self._refreshes.get(tenant)

    async def _refresh_all(self, tenants: Sequence[str]) -> Found[str, None]:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._refreshed_s + REFRESH_INTERVAL_S - clock())
        self._refreshed_s = clock()
        for tenant in tenants:
            await self.refresh(tenant)
        return {}, Position(0)

    def apply(self, events: Iterable[Event]) -> None:
        """Fold events of the log's feed; those of other streams are ignored.

        Raises:
            VersionConflict: earlier events are missing.

        """
        for event in events:
            if event.stream == CATALOGUE_STREAM:
                self._by_tenant.setdefault(event.tenant, TenantCatalogue(event.tenant)).apply(event)

    def for_tenant(self, tenant: str) -> TenantCatalogue:
        """Get a tenant's catalogue, to be read only; an unknown tenant's is empty."""
        return self._by_tenant.get(tenant) or TenantCatalogue(tenant)

    async def as_of(self, tenant: str, position: Position) -> TenantCatalogue:
        """Read a tenant's whole catalogue from the log, as it stood at a position."""
        catalogue = TenantCatalogue(tenant)
        for event in await self._log.read_stream(tenant, CATALOGUE_STREAM, up_to=position):
            catalogue.apply(event)
        return catalogue

    @property
    def all_tenants(self) -> Iterable[TenantCatalogue]:
        """The catalogues of all tenants that have one, to be read only."""
        return self._by_tenant.values()

    def version_of(self, tenant: str) -> Version:
        """Get the version of the tenant's catalogue stream that is in memory."""
        return self.for_tenant(tenant).version

    def find(self, tenant: str, fullname: str) -> Flow | None:
        """Get the current version of a flow; None if it is unknown or retired."""
        catalogue = self.for_tenant(tenant)
        return None if fullname in catalogue.retired else catalogue.flows.get(fullname)

    def is_retired(self, tenant: str, fullname: str) -> bool:
        """Tell whether a flow was registered once and has been retired."""
        return fullname in self.for_tenant(tenant).retired

    def by_id(self, tenant: str, vendor: str, name: str, value: object) -> Flow | None:
        """Find the latest version of the flow that has or had a vendor's id; a retired one too."""
        return self.for_tenant(tenant).by_id(vendor, name, value)

    async def look_up_by_id(
        self, tenant: str, vendor: str, name: str, value: object
    ) -> Flow | None:
        """Find a flow as `by_id` does; refresh before answering that there is none."""
        flow = self.by_id(tenant, vendor, name, value)
        if flow is None:
            await self.refresh_soon(tenant)
            flow = self.by_id(tenant, vendor, name, value)
        return flow

    async def named(self, tenant: str, name: str) -> list[Flow]:
        """Find the flow with this fullname, else all with this name in their projects.

        None of them is retired. Refreshes before answering that there is none.
        """
        found = self.for_tenant(tenant).named(name)
        if not found:
            await self.refresh_soon(tenant)
            found = self.for_tenant(tenant).named(name)
        return found

    def all(self, tenant: str) -> list[Flow]:
        """List the tenant's flows that are not retired, by fullname."""
        return self.for_tenant(tenant).current
