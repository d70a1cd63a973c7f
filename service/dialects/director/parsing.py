"""Parses the requests of Director's clients: lenient paging, the body of a start.

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

# The order of the keywords is the order of the error texts. It does not catch a body that is not an
# object: Director does not check that either, and crashes later.
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
    """The requested page: ``page`` from 1, ``per_page`` from 0 without a maximum."""

    page: int
    per_page: int
    with_payload: bool

    @property
    def offset(self) -> int:
        """The number of rows before the page."""
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class Start:
    """A workflow to start; ``unstorable`` is the reason why the ledger cannot store it."""

    project: str
    name: str
    payload: Mapping[str, Any]
    comment: str | None
    unstorable: str | None = None

    @property
    def fullname(self) -> str:
        """The definition's full name, which the client may have split at any of its dots."""
        return f"{self.project}.{self.name}"

    @property
    def own_project(self) -> str | None:
        """The project, if it does not end at the first dot of the full name."""
        return self.project if "." in self.project else None


def read_paging(query: Mapping[str, str]) -> Paging:
    """Parse the parameters of the list; one that is not an integer counts as absent.

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


async def read_start(request: web.Request) -> Start:
    """Read the body of a start; the error names everything that is wrong with its shape.

    Raises:
        UnsupportedMediaType: it is not declared as JSON.
        MalformedJsonBody: it is not JSON.
        InvalidBody: it does not have the shape of a start.
        TooLarge: it is larger than the ledger stores.

    """
    if not _is_json(request.content_type):
        raise UnsupportedMediaType
    raw = await read_body(request)
    if len(raw) > (max_body := request.app[SERVICE].settings.max_body):
        raise TooLarge(f"the body is larger than {max_body} bytes")
    return parse_start(raw)


def parse_start(raw: bytes) -> Start:
    """Parse the body of a start; see `read_start`."""
    body, unstorable = _parse_json(raw)
    errors = [error.message for error in _START.iter_errors(body)]
    if errors or not isinstance(body, dict):
        raise InvalidBody(errors or [f"{body!r} is not of type 'object'"])
    comment = body.get("comment")
    if comment is not None and len(comment) > MAX_COMMENT:
        unstorable = unstorable or f"the comment has more than {MAX_COMMENT} characters"
    return Start(body["project"], body["name"], body["payload"], comment, unstorable)


def _is_json(content_type: str) -> bool:
    kind = content_type.lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _parse_json(raw: bytes) -> tuple[Any, str | None]:
    """Parse JSON; also returns why the ledger cannot store a value that Director accepts."""
    try:
        return codec.parse(raw), None
    except MalformedJson:
        return _parse_leniently(raw)


def _parse_leniently(raw: bytes) -> tuple[Any, str | None]:
    """Parse JSON as Python does: also UTF-16 and UTF-32, NaN, NUL, numbers of any length.

    Texts may contain lone surrogates; Director quotes all of these in its error texts.
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
