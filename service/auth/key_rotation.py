"""Brings the signing secrets under a new secret key: all of them, or none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from events.database import close_quietly, connect, load, translate_errors
from service.auth.secrets import seal, unseal
from service.errors import InvalidSetting

_SQL: Final = Path(__file__).parent / "sql"
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many secrets were brought under the new key, and how many were under it before."""

    resealed: int
    already: int


async def reseal(url: str, *, old: bytes, new: bytes, dry_run: bool) -> Resealed:
    """Bring every signing secret under the new key, as the login role: the service may not.

    One transaction: killed anywhere, nothing has happened. Done again, it changes nothing.

    Raises:
        InvalidSetting: a secret is under neither key; nothing was changed.
        LogUnavailable: the database does not answer.
    """
    connection = await connect(url, role=None)
    try:
        with translate_errors():
            async with connection.transaction():
                return await _reseal(connection, old=old, new=new, dry_run=dry_run)
    finally:
        await close_quietly(connection)


async def _reseal(connection: Any, *, old: bytes, new: bytes, dry_run: bool) -> Resealed:  # noqa: ANN401 - the driver's
    await connection.execute(load(_SQL, "hold"))
    rows = await connection.fetch(load(_SQL, "sealed"))
    sealed = {row["key_id"]: row["secret_encrypted"] for row in rows}
    to_do = {k: secret for k, secret in sealed.items() if _open(new, k, secret) is None}
    opened = {key_id: _open(old, key_id, secret) for key_id, secret in to_do.items()}
    _refuse_lost([key_id for key_id, secret in opened.items() if secret is None])
    if not dry_run:
        again = {k: seal(new, k, secret.decode()) for k, secret in opened.items() if secret}
        await connection.execute(load(_SQL, "reseal"), list(again), list(again.values()))
    return Resealed(len(to_do), len(sealed) - len(to_do))


def _open(key: bytes, key_id: str, sealed: bytes) -> bytes | None:
    try:
        return unseal(key, key_id, sealed)
    except InvalidSetting:
        return None


def _refuse_lost(key_ids: list[str]) -> None:
    if not key_ids:
        return
    named = ", ".join(key_ids[:_SHOWN]) + (" ..." if len(key_ids) > _SHOWN else "")
    raise InvalidSetting(
        "FLOWLEDGER_OLD_SECRET_KEY",
        f"and FLOWLEDGER_SECRET_KEY: {len(key_ids)} secrets are under neither, those of keys"
        f" {named}; give the key that they were made under, or nothing is changed",
    )
