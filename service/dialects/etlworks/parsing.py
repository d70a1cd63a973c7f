"""Reads what Etlworks' clients send: which execution is meant, what a start is to be given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

from aiohttp import web

from events import codec
from projections.documents.run import RunDocument
from service.dialects.etlworks.ids import LONG, message_id, trimmed
from service.errors import BadRequest, TooLarge, UnsupportedMediaType
from service.http.messages import parse_integer, parse_uuid, read_body, read_json

MAX_LOGIN_BYTES: Final = 4096


class Selection(NamedTuple):
    """Which execution of a flow is meant: all that is given must match; nothing: the latest."""

    flow_id: int
    audit_id: int | None
    message_id: str | None
    status: str | None

    def matches(self, run: RunDocument, fullname: str, word: str) -> bool:
        """Tell whether a run of that flow, whose status has that word, is the one meant."""
        return (
            run["fullname"] == fullname
            and self.audit_id in (None, run["run_number"])
            and (self.message_id is None or self.message_id in (run["run_id"], message_id(run)))
            and self.status in (None, word)
        )

    def __str__(self) -> str:
        given = (
            ("auditId", self.audit_id),
            ("messageId", self.message_id),
            ("status", self.status),
        )
        named = " and ".join(f"{name} {value}" for name, value in given if value is not None)
        return f"flow {self.flow_id} with {named}" if named else f"flow {self.flow_id}"


@dataclass(frozen=True, slots=True)
class Login:
    """A username and its password."""

    username: str
    password: str


def flow_id(request: web.Request) -> int:
    """Read the flow of the path.

    Raises:
        BadRequest: it is no long.

    """
    return parse_integer(request.match_info["flowId"], "flowId", **LONG)


def flow_names(request: web.Request) -> tuple[str, ...]:
    """Read the flow's name of the path, as it may be meant, the likelier first.

    A plus is one in a path, and a space where a client encodes a path as it does a form.

    Source: support.etlworks.com, "Run Flow by name API": "the URL is properly encoded".
    """
    *_, raw, _run = request.rel_url.raw_parts
    return request.match_info["flowName"], unquote_plus(raw)


def listener(request: web.Request) -> str:
    """Read the pattern of a listener's address."""
    return trimmed(request.match_info["pattern"])


def selection(request: web.Request) -> Selection:
    """Read which execution is meant; an empty value is an absent one, other names are ignored.

    Raises:
        BadRequest: ``auditId`` is no long or ``messageId`` no UUID.

    Source: support.etlworks.com, "Get Flow status API".
    """
    query = request.query
    return _selection(
        request.match_info["flowId"],
        query.get("auditId"),
        query.get("messageId"),
        query.get("status"),
    )


@lru_cache(maxsize=1024)  # who waits for an execution asks for it again and again
def _selection(
    flow_id: str, audit_id: str | None, message_id: str | None, status: str | None
) -> Selection:
    return Selection(
        flow_id=parse_integer(flow_id, "flowId", **LONG),
        audit_id=parse_integer(audit_id, "auditId", **LONG) if audit_id else None,
        message_id=parse_uuid(message_id, "messageId") if message_id else None,
        status=status or None,
    )


def downloaded(request: web.Request) -> Selection:
    """Read whose log is to be downloaded: ``flowId`` and ``auditId`` are needed.

    Raises:
        BadRequest: one of them is missing or no long.

    Source: support.etlworks.com, "Download the Flow log API".
    """
    flow, audit = (
        parse_integer(request.query.get(name, ""), name, **LONG) for name in ("flowId", "auditId")
    )
    return Selection(flow_id=flow, audit_id=audit, message_id=None, status=None)


async def parameters(request: web.Request, max_bytes: int) -> dict[str, Any]:
    """Read the body of a start: nothing, or a flat map (numbers and truth values are taken too).

    Raises:
        UnsupportedMediaType: it says that it is not JSON.
        BadRequest: it is no flat map.
        TooLarge: it has more bytes than that.

    Source: support.etlworks.com, "Run Flow by ID API".
    """
    if not await read_body(request):
        return {}
    _refuse_other_types(request)
    body = await read_json(request, max_bytes)
    if not isinstance(body, dict):
        raise BadRequest("The body must be a flat map of parameters")
    for name, value in body.items():
        if isinstance(value, dict | list):
            raise BadRequest(f"Parameter {name} must not be nested", field=name)
    return body


async def message(request: web.Request, max_bytes: int) -> dict[str, Any]:
    """Read a message as a payload: a JSON object as it is, all else under the name ``message``.

    A body that says it is no JSON is text.

    Raises:
        BadRequest: it is neither JSON nor, where it says so, text in UTF-8.
        TooLarge: it has more bytes than that.

    Source: etlworks.com/dev/api/user-apis.html: any format, an empty body too.
    """
    raw = await read_body(request)
    if len(raw) > max_bytes:
        raise TooLarge(f"the body is larger than {max_bytes} bytes")
    if not raw:
        return {}
    if "Content-Type" in request.headers and not _is_json(request.content_type):
        try:
            return {"message": raw.decode()}
        except UnicodeDecodeError as error:
            raise BadRequest("The message is not UTF-8") from error
    body = codec.parse(raw)
    return body if isinstance(body, dict) else {"message": body}


async def login(request: web.Request) -> Login:
    """Read ``login`` and ``password``, both texts; other names are ignored.

    Raises:
        UnsupportedMediaType: the body says that it is not JSON.
        BadRequest: one is missing, or the body is no JSON object.
        TooLarge: the body is too large for the two.

    Source: support.etlworks.com, "Authentication API".
    """
    _refuse_other_types(request)
    body = await read_json(request, MAX_LOGIN_BYTES)
    if not isinstance(body, dict):
        raise BadRequest("The body must be an object with login and password")
    for name in ("login", "password"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise BadRequest(f"Field {name!r} is required", field=name)
    return Login(body["login"], body["password"])


def _refuse_other_types(request: web.Request) -> None:
    if "Content-Type" in request.headers and request.content_type != "application/json":
        raise UnsupportedMediaType("Content-Type must be application/json")


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")
