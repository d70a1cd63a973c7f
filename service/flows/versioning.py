"""Assigns each defined flow its version, its number and its vendor ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.codec import encode
from events.errors import InvalidEvent
from projections.documents.flow import Flow, flow_json
from service.flows.catalogue import IdKey, TenantCatalogue, id_keys
from service.flows.definitions import FlowDefinition
from service.flows.errors import Diagnostic, FlowLoadError
from service.flows.identity import FlowIdentity, IdSource, InvalidVendorIds, vendor_ids

MAX_FLOW_BYTES: Final = 1024 * 1024
"""Bytes of a flow version, which is one event and stays in the memory of every process."""


def assign_versions(
    catalogue: TenantCatalogue,
    definitions: Sequence[FlowDefinition],
    dialects: Sequence[IdSource],
) -> list[Flow]:
    """Make flows from definitions, in order: the current version, or the next if anything differs.

    A flow keeps its number for ever. A new flow gets the next number whose derived ids belong to no
    other flow. Flows with fixed ids get theirs first.

    Raises:
        FlowLoadError: fixed ids are invalid or belong to another flow, retired flows and old
            versions included; or a definition cannot be stored.

    """
    assigner = _VersionAssigner(catalogue, dialects)
    order = sorted(definitions, key=lambda d: (d.fullname not in catalogue.flows, not d.ids))
    assigned = {definition.fullname: assigner.flow(definition) for definition in order}
    if assigner.diagnostics:
        raise FlowLoadError(assigner.diagnostics)
    flows = (assigned[definition.fullname] for definition in definitions)
    return [flow for flow in flows if flow is not None]


class _VersionAssigner:
    def __init__(self, catalogue: TenantCatalogue, dialects: Sequence[IdSource]) -> None:
        self._catalogue = catalogue
        self._dialects = dialects
        self._owners: dict[IdKey, str] = dict(catalogue.owners)
        self._number = max((flow.number for flow in catalogue.flows.values()), default=0)
        self.diagnostics: list[Diagnostic] = []

    def flow(self, definition: FlowDefinition) -> Flow | None:
        before = self._catalogue.flows.get(definition.fullname)
        line = definition.line
        try:
            flow = self._update(before, definition) if before else self._new(definition)
            size_bytes = len(encode(flow_json(flow)))
        except InvalidVendorIds as error:
            line = definition.id_lines.get(error.vendor, line)
            self._add(definition, line, f"ids of {definition.fullname}: {error}")
            return None
        except InvalidEvent as error:
            self._add(definition, line, f"{definition.fullname} is {error}")
            return None
        if size_bytes > MAX_FLOW_BYTES:
            size = f"{size_bytes} bytes with its plan and schema"
            message = f"{definition.fullname} has {size}; at most {MAX_FLOW_BYTES} are allowed"
            self._add(definition, line, message)
            return None
        self._owners.update(dict.fromkeys(id_keys(flow), flow.fullname))
        return flow

    def _add(self, definition: FlowDefinition, line: int, message: str) -> None:
        self.diagnostics.append(Diagnostic(definition.file, line, message))

    def _update(self, before: Flow, definition: FlowDefinition) -> Flow:
        flow = self._make(definition, number=before.number, version=before.version)
        if (clash := self._clash(flow)) is not None:
            raise self._taken_error(clash)
        same = encode(flow_json(flow)) == encode(flow_json(before))
        if same and flow.fullname not in self._catalogue.retired:
            return before
        return self._make(definition, number=before.number, version=before.version + 1)

    def _new(self, definition: FlowDefinition) -> Flow:
        last: IdKey | None = None
        while True:
            self._number += 1
            flow = self._make(definition, number=self._number, version=1)
            clash = self._clash(flow)
            if clash is None:
                return flow
            if clash == last:  # the id does not depend on the number
                raise self._taken_error(clash)
            last = clash

    def _clash(self, flow: Flow) -> IdKey | None:
        for key in id_keys(flow):
            if self._owners.get(key, flow.fullname) != flow.fullname:
                return key
        return None

    def _taken_error(self, key: IdKey) -> InvalidVendorIds:
        vendor, name, value = key
        return InvalidVendorIds(
            vendor, f"{vendor} {name} {value!r} belongs to flow {self._owners[key]}"
        )

    def _make(self, definition: FlowDefinition, *, number: int, version: int) -> Flow:
        project, _, name = definition.fullname.partition(".")
        identity = FlowIdentity(self._catalogue.tenant, definition.fullname, number)
        return Flow(
            tenant=self._catalogue.tenant,
            fullname=definition.fullname,
            project=project,
            name=name,
            version=version,
            number=number,
            executor=definition.executor,
            exclusive=definition.exclusive,
            timeout_s=definition.timeout_s,
            ids=vendor_ids(self._dialects, identity, definition.ids),
            definition=definition.definition,
            plan=definition.plan,
            payload_schema=definition.payload_schema,
        )
