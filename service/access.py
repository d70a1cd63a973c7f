"""Who calls: principals with their roles and rights, and the origin that events keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, cast

from events import bodies
from service.errors import Forbidden


class Right(StrEnum):
    """A right that a route requires."""

    READ = "read"
    START = "start"
    CANCEL = "cancel"
    REPORT = "report"
    EDIT_FLOWS = "edit flows"
    ADMINISTER = "administer"
    AUDIT = "audit"


_OPERATOR = {Right.READ, Right.START, Right.CANCEL, Right.REPORT}
RIGHTS: dict[str, frozenset[Right]] = {
    "viewer": frozenset({Right.READ}),
    "operator": frozenset(_OPERATOR),
    "editor": frozenset(_OPERATOR | {Right.EDIT_FLOWS}),
    "administrator": frozenset(Right),
    "auditor": frozenset({Right.READ, Right.AUDIT}),
}
ALIASES = {"executer": "operator"}
TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""The form of a tenant's name."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated client; tenant ``*`` means all tenants (auditor and administrator only)."""

    key_id: str
    name: str
    tenant: str
    role: str

    def may(self, right: Right) -> bool:
        """Whether the role includes the right."""
        return right in RIGHTS[self.role]

    def require(self, right: Right) -> None:
        """Raise `Forbidden` unless the role includes the right."""
        if not self.may(right):
            msg = f"role {self.role} may not {right.value}"
            raise Forbidden(msg)


class Origin(NamedTuple):
    """Who sends a command and through which API; stored with every event that it leads to.

    ``actor`` is the name of the credential (or ``worker:<id>``, ``ledger``), ``key_id`` its id.
    ``source`` is a dialect's name, ``api``, ``cli``, ``executor`` or ``schedule``.
    """

    actor: str
    source: str
    key_id: str = ""
    remote: str = ""
    request_id: str = ""


def metadata_of(origin: Origin, *, worker: str = "", epoch: int = 0) -> bodies.Metadata:
    """Build the metadata of events from a command's origin, without empty members."""
    members: bodies.Metadata = {
        "source": origin.source,
        "key_id": origin.key_id,
        "remote": origin.remote,
        "request_id": origin.request_id,
        "worker": worker,
        "epoch": epoch,
    }
    return cast("bodies.Metadata", {name: value for name, value in members.items() if value})
