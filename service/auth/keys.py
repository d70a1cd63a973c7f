"""Keys: who has one, with which role, and whether it is valid, folded from the log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from events.bodies import KeyCreated, KeyRevoked
from events.envelope import Event, Version
from events.types import ADMINISTRATION_STREAM, EVERY_TENANT, KEY_CREATED, KEY_REVOKED
from service.access import RIGHTS, TENANT, Principal
from service.errors import BadRequest

MAX_NAME: Final = 200
_LEDGER_WIDE_ROLES: Final = ("administrator", "auditor")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the log records it; None: it never expires, it is not revoked."""

    principal: Principal
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class KeyRegistry:
    """Every key that was ever created, folded from the administration stream."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.version = Version(0)
        """The last version of the stream that was applied."""

    def valid(self, key_id: str) -> Key | None:
        """Find a key that is not revoked; it may have expired."""
        key = self.keys.get(key_id)
        return key if key is not None and key.revoked_at is None else None

    def apply(self, event: Event) -> str | None:
        """Apply an event of any stream, once; returns the id of the key that it revokes."""
        if event.stream != ADMINISTRATION_STREAM or event.tenant != EVERY_TENANT:
            return None
        if event.version <= self.version:
            return None
        self.version = event.version
        if event.type == KEY_CREATED:
            created: KeyCreated = event.data
            self.keys[created["key_id"]] = _created(event, created)
        elif event.type == KEY_REVOKED:
            return self._revoke(event)
        return None

    def _revoke(self, event: Event) -> str:
        body: KeyRevoked = event.data
        key_id = body["key_id"]
        if (key := self.valid(key_id)) is not None:
            self.keys[key_id] = replace(key, revoked_at=event.recorded_at)
        return key_id


def _created(event: Event, body: KeyCreated) -> Key:
    expires = body.get("expires_at")
    return Key(
        principal=Principal(body["key_id"], body["name"], body["tenant"], body["role"]),
        created_at=event.recorded_at,
        expires_at=datetime.fromisoformat(expires) if expires else None,
    )


def check_key(tenant: str, role: str, name: str, expires_at: datetime | None) -> None:
    """Check the properties of a new key.

    Raises:
        BadRequest: names the wrong one.
    """
    if role not in RIGHTS:
        raise BadRequest(f"role must be one of {', '.join(RIGHTS)}", field="role")
    if tenant == EVERY_TENANT and role not in _LEDGER_WIDE_ROLES:
        raise BadRequest(
            f"tenant * is for the roles {', '.join(_LEDGER_WIDE_ROLES)} only", field="tenant"
        )
    if tenant != EVERY_TENANT:
        check_tenant(tenant)
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise BadRequest(f"name must be 1 to {MAX_NAME} printable characters", field="name")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= datetime.now(UTC)):
        raise BadRequest("expires_at must be a future time with an offset", field="expires_at")


def check_tenant(tenant: str) -> None:
    """Check the name of a tenant.

    Raises:
        BadRequest: it is malformed.
    """
    if not TENANT.fullmatch(tenant):
        raise BadRequest(
            "tenant must be 1 to 100 letters, digits, dots, hyphens or underscores", field="tenant"
        )
