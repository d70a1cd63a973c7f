"""Settles what files leave open of a flow: its version, its number, and every vendor's ids."""

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

MOST_BYTES: Final = 1024 * 1024
"""Bytes of a flow version as it is registered: one event, which every process keeps in memory."""


def settle(
    catalogue: TenantCatalogue,
    definitions: Sequence[FlowDefinition],
    dialects: Sequence[IdSource],
) -> list[Flow]:
    """Make the flows that the definitions come to, in their order: versions as they stand, or next.

    A flow keeps its number for ever. A new one gets the next number, leaving out those from which
    an id would be made that another flow has; those with fixed ids are settled first.

    Raises:
        FlowLoadError: fixed ids are wrong, or ids clash with those of another flow, which is named
            (retired flows and old versions count); or a definition is not storable.

    """
    settling = _Settling(catalogue, dialects)
    order = sorted(definitions, key=lambda d: (d.fullname not in catalogue.flows, not d.ids))
    settled = {definition.fullname: settling.flow(definition) for definition in order}
    if settling.diagnostics:
        raise FlowLoadError(settling.diagnostics)
    flows = (settled[definition.fullname] for definition in definitions)
    return [flow for flow in flows if flow is not None]


class _Settling:
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
            flow = self._again(before, definition) if before else self._anew(definition)
            size_bytes = len(encode(flow_json(flow)))
        except InvalidVendorIds as error:
            line = definition.id_lines.get(error.vendor, line)
            self._refuse(definition, line, f"ids of {definition.fullname}: {error}")
            return None
        except InvalidEvent as error:
            self._refuse(definition, line, f"{definition.fullname} is {error}")
            return None
        if size_bytes > MOST_BYTES:
            reason = (
                f"is {size_bytes} bytes with its plan and schema; {MOST_BYTES} are kept at most"
            )
            self._refuse(definition, line, f"{definition.fullname} {reason}")
            return None
        self._owners.update(dict.fromkeys(id_keys(flow), flow.fullname))
        return flow

    def _refuse(self, definition: FlowDefinition, line: int, reason: str) -> None:
        self.diagnostics.append(Diagnostic(definition.file, line, reason))

    def _again(self, before: Flow, definition: FlowDefinition) -> Flow:
        flow = self._make(definition, number=before.number, version=before.version)
        if (clash := self._clash(flow)) is not None:
            raise self._taken(clash)
        same = encode(flow_json(flow)) == encode(flow_json(before))
        if same and flow.fullname not in self._catalogue.retired:
            return before
        return self._make(definition, number=before.number, version=before.version + 1)

    def _anew(self, definition: FlowDefinition) -> Flow:
        last: IdKey | None = None
        while True:
            self._number += 1
            flow = self._make(definition, number=self._number, version=1)
            clash = self._clash(flow)
            if clash is None:
                return flow
            if clash == last:  # so it does not come from the number
                raise self._taken(clash)
            last = clash

    def _clash(self, flow: Flow) -> IdKey | None:
        for key in id_keys(flow):
            if self._owners.get(key, flow.fullname) != flow.fullname:
                return key
        return None

    def _taken(self, key: IdKey) -> InvalidVendorIds:
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
