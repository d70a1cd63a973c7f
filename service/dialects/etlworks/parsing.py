"""Parses the requests of Etlworks' clients: selections, parameters, messages, logins."""

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
    """Selects an execution of a flow: everything given must match; without any, the latest."""

    flow_id: int
    audit_id: int | None
    message_id: str | None
    status: str | None

    def matches(self, run: RunDocument, fullname: str, word: str) -> bool:
        """Tell whether a run of that flow, whose status has that word, is selected."""
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
        BadRequest: it is not a long.

    """
    return parse_integer(request.match_info["flowId"], "flowId", **LONG)


def flow_names(request: web.Request) -> tuple[str, ...]:
    """Read the possible flow names of the path, the likelier first.

    A plus stays a plus in a path; clients that encode a path like a form mean a space.

    Source: support.etlworks.com, "Run Flow by name API": "the URL is properly encoded".
    """
    *_, raw, _run = request.rel_url.raw_parts
    return request.match_info["flowName"], unquote_plus(raw)


def listener(request: web.Request) -> str:
    """Read the pattern of a listener's address."""
    return trimmed(request.match_info["pattern"])


def read_selection(request: web.Request) -> Selection:
    """Read which execution is selected; an empty value counts as absent, other names are ignored.

    Raises:
        BadRequest: ``auditId`` is not a long or ``messageId`` not a UUID.

    Source: support.etlworks.com, "Get Flow status API".
    """
    query = request.query
    return _selection(
        request.match_info["flowId"],
        query.get("auditId"),
        query.get("messageId"),
        query.get("status"),
    )


@lru_cache(maxsize=1024)  # clients that poll an execution send the same parameters
def _selection(
    flow_id: str, audit_id: str | None, message_id: str | None, status: str | None
) -> Selection:
    return Selection(
        flow_id=parse_integer(flow_id, "flowId", **LONG),
        audit_id=parse_integer(audit_id, "auditId", **LONG) if audit_id else None,
        message_id=parse_uuid(message_id, "messageId") if message_id else None,
        status=status or None,
    )


def read_download(request: web.Request) -> Selection:
    """Read which execution's log to download: ``flowId`` and ``auditId`` are required.

    Raises:
        BadRequest: one of them is missing or not a long.

    Source: support.etlworks.com, "Download the Flow log API".
    """
    flow, audit = (
        parse_integer(request.query.get(name, ""), name, **LONG) for name in ("flowId", "auditId")
    )
    return Selection(flow_id=flow, audit_id=audit, message_id=None, status=None)


async def parameters(request: web.Request, max_bytes: int) -> dict[str, Any]:
    """Read the body of a start: none, or a flat map; values may also be numbers and booleans.

    Raises:
        UnsupportedMediaType: its type is declared and is not JSON.
        BadRequest: it is not a flat map.
        TooLarge: it has more than ``max_bytes``.

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
    """Read a message as a payload: a JSON object as is, anything else as ``message``.

    A body whose declared type is not JSON is text.

    Raises:
        BadRequest: it is not JSON, or declared as text and not UTF-8.
        TooLarge: it has more than ``max_bytes``.

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
        UnsupportedMediaType: its type is declared and is not JSON.
        BadRequest: one is missing, or the body is not a JSON object.
        TooLarge: it has more than `MAX_LOGIN_BYTES`.

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
