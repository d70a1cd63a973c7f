"""Which keys are valid, whose they are and what they may do: folded from the log."""

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
_WIDE_ROLES: Final = ("administrator", "auditor")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the log tells of it; ``revoked_at`` and ``expires_at`` None: not."""

    principal: Principal
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Lifecycle:
    """The administration stream, folded: every key there ever was."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.version = Version(0)
        """The version of the stream up to which this is true."""

    def valid(self, key_id: str) -> Key | None:
        """Find a key that was created and not revoked; it may have expired."""
        key = self.keys.get(key_id)
        return key if key is not None and key.revoked_at is None else None

    def apply(self, event: Event) -> str | None:
        """Take an event of any stream, once; name the key it revokes, if it does."""
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
    """Check what a new key may be.

    Raises:
        BadRequest: names what is wrong.
    """
    if role not in RIGHTS:
        raise BadRequest(f"role must be one of {', '.join(RIGHTS)}", field="role")
    if tenant == EVERY_TENANT and role not in _WIDE_ROLES:
        raise BadRequest(f"tenant * is for the roles {', '.join(_WIDE_ROLES)}", field="tenant")
    if tenant != EVERY_TENANT:
        check_tenant(tenant)
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise BadRequest(f"name must be 1 to {MAX_NAME} printable characters", field="name")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= datetime.now(UTC)):
        raise BadRequest("expiry must be a time to come, with its offset", field="expires_at")


def check_tenant(tenant: str) -> None:
    """Check the name of one tenant.

    Raises:
        BadRequest: it cannot be one.
    """
    if not TENANT.fullmatch(tenant):
        raise BadRequest(
            "tenant must be 1 to 100 letters, digits, dots, hyphens or underscores", field="tenant"
        )
