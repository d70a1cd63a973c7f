"""Re-encrypts the signing secrets under a new secret key: all of them, or none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from events.database import Connection, close_quietly, connect, load, translate_errors
from service.auth.secrets import decrypt_secret, encrypt_secret
from service.errors import InvalidSetting

_SQL: Final = Path(__file__).parent / "sql"
_MAX_NAMED_KEYS: Final = 5


@dataclass(frozen=True, slots=True)
class RotationResult:
    """How many secrets were re-encrypted, and how many were under the new key before."""

    reencrypted: int
    up_to_date: int


async def rotate_secret_key(url: str, *, old: bytes, new: bytes, dry_run: bool) -> RotationResult:
    """Re-encrypt every signing secret under the new key, in one transaction.

    It connects as the login role, since the service's role may not update credentials. Repeating it
    is harmless.

    Raises:
        InvalidSetting: a secret is under neither key; nothing was changed.
        LogUnavailable: the database does not answer.
    """
    connection = await connect(url, role=None)
    try:
        with translate_errors():
            async with connection.transaction():
                return await _rotate(connection, old=old, new=new, dry_run=dry_run)
    finally:
        await close_quietly(connection)


async def find_unreadable(connection: Connection, key: bytes) -> tuple[list[str], int]:
    """Find the credentials whose secret is not under this key; return how many there are too."""
    rows = await connection.fetch(load(_SQL, "encrypted_secrets"))
    unreadable = [
        str(row["key_id"])
        for row in rows
        if _decrypt(key, str(row["key_id"]), row["secret_encrypted"]) is None
    ]
    return unreadable, len(rows)


async def _rotate(connection: Any, *, old: bytes, new: bytes, dry_run: bool) -> RotationResult:  # noqa: ANN401 - the driver's
    await connection.execute(load(_SQL, "lock_credentials"))
    rows = await connection.fetch(load(_SQL, "encrypted_secrets"))
    stored = {row["key_id"]: row["secret_encrypted"] for row in rows}
    outdated = {k: secret for k, secret in stored.items() if _decrypt(new, k, secret) is None}
    secrets = {key_id: _decrypt(old, key_id, secret) for key_id, secret in outdated.items()}
    _refuse_lost([key_id for key_id, secret in secrets.items() if secret is None])
    if not dry_run:
        renewed = {
            k: encrypt_secret(new, k, secret.decode()) for k, secret in secrets.items() if secret
        }
        await connection.execute(
            load(_SQL, "update_secrets"), list(renewed), list(renewed.values())
        )
    return RotationResult(len(outdated), len(stored) - len(outdated))


def _decrypt(key: bytes, key_id: str, encrypted: bytes) -> bytes | None:
    try:
        return decrypt_secret(key, key_id, encrypted)
    except InvalidSetting:
        return None


def _refuse_lost(key_ids: list[str]) -> None:
    if not key_ids:
        return
    named = ", ".join(key_ids[:_MAX_NAMED_KEYS])
    if len(key_ids) > _MAX_NAMED_KEYS:
        named += " ..."
    raise InvalidSetting(
        "FLOWLEDGER_OLD_SECRET_KEY",
        f"and FLOWLEDGER_SECRET_KEY: {len(key_ids)} secrets are under neither, those of keys"
        f" {named}; nothing was changed; set the key that they were encrypted under",
    )
