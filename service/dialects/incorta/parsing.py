"""Reads what Incorta's clients send: the execution, the level, the load plan to execute."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from service.dialects.incorta.errors import InvalidLevel
from service.errors import BadRequest, UnsupportedMediaType
from service.http.json import read_json

LEVELS: Final = range(1, 5)
_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_MAX_DIGITS: Final = 20


def execution_id(request: web.Request) -> int:
    """Read the execution of the path: any integer, also one that can name none.

    Raises:
        BadRequest: it is no integer.

    """
    return _integer(request.match_info["executionId"], "execution ID")


def level(request: web.Request) -> int:
    """Read how deep the answer shall go: 1 when absent or empty.

    Raises:
        BadRequest: it is no integer.
        InvalidLevel: it is not 1, 2, 3 or 4.

    """
    text = request.query.get("level") or "1"
    depth = _integer(text, "level")
    if depth not in LEVELS:
        raise InvalidLevel(text)
    return depth


def _integer(text: str, name: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise BadRequest(f"Invalid {name} [{text}]. It must be an integer", field=name)
    # Python refuses to convert thousands of digits; this many are out of every range already.
    return int(text[:_MAX_DIGITS])


async def load_plan_name(request: web.Request, max_bytes: int) -> str:
    """Read the body of an execute: the name of the load plan; other members are ignored.

    Raises:
        UnsupportedMediaType: it is not declared as JSON.
        BadRequest: it is no object with a ``loadPlanName``.
        TooLarge: it has more bytes than that.

    Source: docs.incorta.com, "Execute Load Plan".
    """
    if request.content_type != "application/json":
        raise UnsupportedMediaType("Content-Type must be application/json")
    body: Any = await read_json(request, max_bytes)
    name = body.get("loadPlanName") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name:
        raise BadRequest("The body must be an object with a loadPlanName", field="loadPlanName")
    return name
