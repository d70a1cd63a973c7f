"""Who may do what: principals, the roles they have, and the rights of each role."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

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
