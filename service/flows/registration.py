"""Registers flows: a load replaces the tenant's whole catalogue, in one append."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from events.bodies import CatalogueBody, FlowRetired
from events.codec import encode, encode_body
from events.envelope import AppendRequest, NewEvent, StreamAppend
from events.errors import VersionConflict
from events.store import Log
from events.types import CATALOGUE_STREAM, EVERY_TENANT, FLOW_REGISTERED, FLOW_RETIRED
from projections.documents.flow import Flow, flow_json
from service.access import Origin, metadata_of
from service.errors import BadRequest
from service.flows.catalogue import Catalogue, TenantCatalogue
from service.flows.definitions import FlowDefinition
from service.flows.identity import IdSource
from service.flows.versioning import assign_versions

MAX_ATTEMPTS: Final = 5
"""How often a registration is planned when concurrent ones conflict with it."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes that a load makes to a tenant's catalogue."""

    add: tuple[Flow, ...] = ()
    change: tuple[Flow, ...] = ()
    retire: tuple[Flow, ...] = ()
    unchanged: tuple[Flow, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.change or self.retire)

    def lines(self) -> list[str]:
        """Describe the changes: a line for each changed flow, and one for the rest."""
        return [
            *(f"add {flow.fullname} (version {flow.version})" for flow in self.add),
            *(f"change {flow.fullname} (version {flow.version})" for flow in self.change),
            *(f"retire {flow.fullname} (a load is the whole catalogue)" for flow in self.retire),
            f"unchanged: {len(self.unchanged)}",
        ]


def plan_changes(
    catalogue: TenantCatalogue,
    definitions: Sequence[FlowDefinition],
    dialects: Sequence[IdSource],
) -> Changes:
    """Compare definitions with a catalogue.

    Flows without a definition are retired. A retired flow that is defined again is added with its
    next version and its old number.

    Raises:
        FlowLoadError: ids are invalid or taken, or a definition cannot be stored.

    """
    flows = assign_versions(catalogue, definitions, dialects)
    current = {flow.fullname: flow for flow in catalogue.current}
    known = [flow for flow in flows if flow.fullname in current]
    named = {flow.fullname for flow in flows}
    return Changes(
        add=tuple(flow for flow in flows if flow.fullname not in current),
        change=tuple(f for f in known if f.version != current[f.fullname].version),
        retire=tuple(flow for name, flow in current.items() if name not in named),
        unchanged=tuple(f for f in known if f.version == current[f.fullname].version),
    )


async def register(
    log: Log,
    catalogue: Catalogue,
    *,
    tenant: str,
    definitions: Sequence[FlowDefinition],
    dialects: Sequence[IdSource],
    origin: Origin,
) -> Changes:
    """Replace the tenant's catalogue by these definitions; ``catalogue`` is refreshed.

    Raises:
        BadRequest: the tenant is ``*``, which cannot have flows.
        FlowLoadError: ids are invalid or taken; nothing was written.
        VersionConflict: concurrent registrations conflicted `MAX_ATTEMPTS` times.
        LogError: the log refused the append.

    """
    if tenant == EVERY_TENANT:
        raise BadRequest("flows belong to one tenant", field="tenant")
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        await catalogue.refresh(tenant)
        current = catalogue.for_tenant(tenant)
        changes = plan_changes(current, definitions, dialects)
        if not changes:
            return changes
        try:
            await log.append_one(_request(current, changes, origin))
        except VersionConflict:
            if not attempts_left:
                raise
        else:
            break
    await catalogue.refresh(tenant)
    return changes


def _request(catalogue: TenantCatalogue, changes: Changes, origin: Origin) -> AppendRequest:
    registered = [
        _event(FLOW_REGISTERED, flow_json(flow), origin) for flow in changes.add + changes.change
    ]
    retired = [
        _event(FLOW_RETIRED, FlowRetired(fullname=flow.fullname, version=flow.version), origin)
        for flow in changes.retire
    ]
    events = (*registered, *retired)
    return AppendRequest(
        catalogue.tenant, (StreamAppend(CATALOGUE_STREAM, catalogue.version, events),)
    )


def _event(type_: str, body: CatalogueBody, origin: Origin) -> NewEvent:
    return NewEvent(
        event_id=str(uuid4()),
        type=type_,
        body=encode_body(body),
        actor=origin.actor,
        metadata=encode(metadata_of(origin)),
    )
