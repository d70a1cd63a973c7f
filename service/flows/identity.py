"""The vendors' ids of a flow: each dialect settles its own, a customer's fixed ones win."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Ids = Mapping[str, Mapping[str, Any]]
"""Vendor to the names of its ids and the ids."""


@dataclass(frozen=True, slots=True)
class FlowIdentity:
    """What a vendor's id of a flow may be made from; ``number`` is unique in the tenant."""

    tenant: str
    fullname: str
    number: int


class IdSource(Protocol):
    """What is needed of a dialect: its name, and its ids of a flow."""

    @property
    def name(self) -> str:
        """The vendor's name."""
        ...

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Settle the vendor's ids of a flow.

        Raises:
            ValueError: a fixed id is wrong.

        """
        ...


class InvalidVendorIds(ValueError):
    """A customer's fixed ids of a vendor cannot be had."""

    def __init__(self, vendor: str, reason: str) -> None:
        super().__init__(reason)
        self.vendor = vendor


def settle_ids(dialects: Iterable[IdSource], identity: FlowIdentity, fixed: Ids) -> Ids:
    """Ask every dialect for its ids of a flow, given a customer's fixed ones.

    Raises:
        InvalidVendorIds: a fixed id is not of its vendor's shape, or of no vendor.

    """
    sources = {dialect.name: dialect for dialect in dialects}
    for vendor in fixed.keys() - sources.keys():
        known = ", ".join(sorted(sources))
        raise InvalidVendorIds(vendor, f"there is no vendor {vendor!r}; known are {known}")
    return {name: _settle(source, identity, fixed) for name, source in sources.items()}


def _settle(source: IdSource, identity: FlowIdentity, fixed: Ids) -> Mapping[str, Any]:
    try:
        return dict(source.flow_ids(identity, fixed.get(source.name, {})))
    except ValueError as error:
        raise InvalidVendorIds(source.name, str(error)) from error
