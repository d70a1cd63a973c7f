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

from events import codec
from events.errors import MalformedJson
from service.dialects.director.errors import InvalidBody, MalformedJsonBody
from service.errors import BadRequest, NotFound, TooLarge, UnsupportedMediaType
from service.http.messages import read_body
from service.runtime import SERVICE

WORKFLOWS_PER_PAGE: Final = 1000
MAX_INTEGER: Final = 2**63 - 1
MAX_COMMENT: Final = 255
_NO: Final = frozenset({"n", "no", "f", "false", "off", "0"})

# The order of the keywords is the order of the error texts. What is no object is not caught by it:
# Director does not ask, and crashes later.
START: Final[Mapping[str, Any]] = {
    "required": ["project", "name", "payload"],
    "additionalProperties": False,
    "properties": {
        "project": {"type": "string"},
        "name": {"type": "string"},
        "payload": {"type": "object"},
        "comment": {"type": "string"},
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
    """A workflow that shall start; ``unkept`` says what of it the ledger cannot keep."""

    project: str
    name: str
    payload: Mapping[str, Any]
    comment: str | None
    unkept: str | None = None

    @property
    def fullname(self) -> str:
        """The name of the definition: `project` and `name` may have been cut at any of its dots."""
        return f"{self.project}.{self.name}"

    @property
    def own_project(self) -> str | None:
        """The project, where it does not end at the first dot of the fullname."""
        return self.project if "." in self.project else None


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
    """Read the body of a start; all that is wrong with its shape is said at once.

    Raises:
        UnsupportedMediaType: it is not declared as JSON.
        MalformedJsonBody: it is not JSON.
        InvalidBody: it does not have the shape of a start.
        TooLarge: it is larger than the ledger keeps.

    """
    if not _is_json(request.content_type):
        raise UnsupportedMediaType
    raw = await read_body(request)
    if len(raw) > (most := request.app[SERVICE].settings.max_body):
        raise TooLarge(f"the body is larger than {most} bytes")
    return read_start(raw)


def read_start(raw: bytes) -> Start:
    """Read a start; see `start`."""
    body, unkept = _json(raw)
    errors = [error.message for error in _START.iter_errors(body)]
    if errors or not isinstance(body, dict):
        raise InvalidBody(errors or [f"{body!r} is not of type 'object'"])
    comment = body.get("comment")
    if comment is not None and len(comment) > MAX_COMMENT:
        unkept = unkept or f"the comment has more than {MAX_COMMENT} characters"
    return Start(body["project"], body["name"], body["payload"], comment, unkept)


def _is_json(content_type: str) -> bool:
    kind = content_type.lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _json(raw: bytes) -> tuple[Any, str | None]:
    """Read JSON that can be kept; else what Director reads in it, and why it cannot be kept."""
    try:
        return codec.parse(raw), None
    except MalformedJson:
        return _leniently(raw)


def _leniently(raw: bytes) -> tuple[Any, str | None]:
    """Read JSON as Python does: in UTF-16 and UTF-32 too, with NaN, NUL and numbers of any length.

    Some of its texts are not Unicode, and Director has all of these in its error texts.
    """
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJsonBody from error
    try:
        return codec.parse(text.encode()), None
    except (MalformedJson, UnicodeEncodeError) as error:
        return value, str(error)
