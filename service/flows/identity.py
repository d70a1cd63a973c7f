"""The vendors' ids of a flow: made by each dialect, unless the customer fixes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Ids = Mapping[str, Mapping[str, Any]]
"""Vendor to the names and values of its ids."""


@dataclass(frozen=True, slots=True)
class FlowIdentity:
    """What dialects derive their ids of a flow from; ``number`` is unique in the tenant."""

    tenant: str
    fullname: str
    number: int


class IdSource(Protocol):
    """The part of a dialect that gives a flow its ids."""

    @property
    def name(self) -> str:
        """The vendor's name."""
        ...

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Derive the vendor's ids of a flow; ``fixed`` ones are kept.

        Raises:
            ValueError: a fixed id is invalid.

        """
        ...


class InvalidVendorIds(ValueError):
    """A customer's fixed ids of a vendor are invalid or taken."""

    def __init__(self, vendor: str, reason: str) -> None:
        super().__init__(reason)
        self.vendor = vendor


def vendor_ids(dialects: Iterable[IdSource], identity: FlowIdentity, fixed: Ids) -> Ids:
    """Collect every dialect's ids of a flow, given a customer's fixed ones.

    Raises:
        InvalidVendorIds: a fixed id is invalid, or its vendor is unknown.

    """
    sources = {dialect.name: dialect for dialect in dialects}
    for vendor in fixed.keys() - sources.keys():
        known = ", ".join(sorted(sources))
        raise InvalidVendorIds(vendor, f"unknown vendor {vendor!r}; known are {known}")
    return {name: _ids_of(source, identity, fixed) for name, source in sources.items()}


def _ids_of(source: IdSource, identity: FlowIdentity, fixed: Ids) -> Mapping[str, Any]:
    try:
        return dict(source.flow_ids(identity, fixed.get(source.name, {})))
    except ValueError as error:
        raise InvalidVendorIds(source.name, str(error)) from error
