"""Where a request comes from: its id, and the origin that is kept with every event it leads to."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Final

from aiohttp import web

from service.http.context import CALL
from service.origin import Origin

_PROPER_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PROCESS: Final = secrets.token_hex(6)
_COUNT: Final = itertools.count(1)


def request_id(request: web.Request) -> str:
    """Name a request, once: by its ``X-Request-Id``, if that is a proper one, else anew."""
    call = request[CALL]
    if call.request_id is None:
        given = request.headers.get("X-Request-Id", "")
        proper = _PROPER_ID.fullmatch(given) is not None
        call.request_id = given if proper else f"{_PROCESS}-{next(_COUNT):x}"
    return call.request_id


def origin(request: web.Request, source: str) -> Origin:
    """Say who asks, and through which front door (a dialect's name or ``api``)."""
    principal = request[CALL].principal
    return Origin(
        actor=principal.name,
        source=source,
        key_id=principal.key_id,
        remote=request.remote or "",
        request_id=request_id(request),
    )
