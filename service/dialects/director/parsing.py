"""Reads what Director's clients send: paging and its junk, the body of a start.

Source: the answers of celery-director 0.9.0 (Flask 2.3, Werkzeug 2.3, jsonschema).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jsonschema
from aiohttp import web

from events.errors import MalformedJson
from service.dialects.director.errors import InvalidBody, Unreadable
from service.errors import BadRequest, NotFound, UnsupportedMediaType
from service.http.json import read_json
from service.http.keys import SERVICE

WORKFLOWS_PER_PAGE: Final = 1000
MAX_INTEGER: Final = 2**63 - 1
MAX_COMMENT: Final = 255
_NO: Final = frozenset({"n", "no", "f", "false", "off", "0"})

# The order of the keywords is the order of the error texts.
START: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["project", "name", "payload"],
    "additionalProperties": False,
    "properties": {
        "project": {"type": "string"},
        "name": {"type": "string"},
        "payload": {"type": "object"},
        "comment": {"type": "string", "maxLength": MAX_COMMENT},
    },
}
_START: Final = jsonschema.Draft202012Validator(START)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of the list is asked: ``page`` from 1, ``per_page`` from 0, no upper limit."""

    page: int
    per_page: int
    with_payload: bool

    @property
    def offset(self) -> int:
        """How many rows stand before the page."""
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class Start:
    """A workflow that shall start."""

    fullname: str
    payload: Mapping[str, Any]
    comment: str | None


def paging(query: Mapping[str, str]) -> Paging:
    """Read the parameters of the list; what is no integer counts as absent.

    Raises:
        NotFound: ``page`` is below 1 or ``per_page`` below 0.
        BadRequest: a number is beyond 64 bits (Director crashes with a 500 there).

    """
    page = _integer(query, "page", 1)
    per_page = _integer(query, "per_page", WORKFLOWS_PER_PAGE)
    if page < 1 or per_page < 0:
        raise NotFound
    for name, value in (("page", page), ("per_page", per_page)):
        if value > MAX_INTEGER:
            raise BadRequest(f"{name} is out of range", field=name)
    return Paging(page, per_page, query.get("with_payload", "").lower() not in _NO)


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        return default


async def start(request: web.Request) -> Start:
    """Read the body of a start; all that is wrong with it is said at once.

    Raises:
        UnsupportedMediaType: it is not declared as JSON.
        Unreadable: it is not JSON.
        InvalidBody: it does not have the shape of a start.

    """
    if not _is_json(request.content_type):
        raise UnsupportedMediaType
    body: Any = await _json(request)
    errors = [error.message for error in _START.iter_errors(body)]
    if errors:
        raise InvalidBody(errors)
    fullname = f"{body['project']}.{body['name']}"
    return Start(fullname, body["payload"], body.get("comment"))


def _is_json(content_type: str) -> bool:
    kind = content_type.lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


async def _json(request: web.Request) -> object:
    try:
        return await read_json(request, request.app[SERVICE].settings.max_body)
    except MalformedJson as error:
        if _would_parse(await request.read()):
            raise BadRequest(str(error)) from error
        raise Unreadable from error
    except BadRequest as error:
        raise Unreadable from error


def _would_parse(raw: bytes) -> bool:
    """Tell whether Director would have read it: NUL, NaN and long integers end in its 500."""
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True
