"""What start calls share: the idempotency key, and the way from a command to a visible run."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from service.errors import BadRequest
from service.http.context import CALL
from service.runs.domain.commands import Outcome, RetryRun, StartRun
from service.runtime import SERVICE

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
MAX_KEY_LENGTH: Final = 200


def idempotency_key(request: web.Request) -> str:
    """Read ``Idempotency-Key``: 1 to 200 printable ASCII characters, or empty where it is absent.

    Raises:
        BadRequest: the header is there twice, empty, too long or of other characters.

    """
    keys = request.headers.getall(IDEMPOTENCY_KEY, ())
    if not keys:
        return ""
    if len(keys) > 1:
        raise BadRequest(
            f"send {IDEMPOTENCY_KEY} once, not {len(keys)} times", field=IDEMPOTENCY_KEY
        )
    (key,) = keys
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise BadRequest(
            f"{IDEMPOTENCY_KEY} must be 1 to {MAX_KEY_LENGTH} printable ASCII characters",
            field=IDEMPOTENCY_KEY,
        )
    return key


async def start(request: web.Request, command: StartRun | RetryRun) -> Outcome:
    """Start a run, and wait until it can be read; the answer names the position of the start."""
    service = request.app[SERVICE]
    outcome = await service.writer.submit(command)
    await service.positions.wait_until_visible(outcome.position)
    request[CALL].position = outcome.position
    return outcome


def replayed(outcome: Outcome) -> dict[str, str]:
    """Name the header that marks the answer to a repeated start."""
    return {REPLAYED: "true"} if outcome.replayed else {}
