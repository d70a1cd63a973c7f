"""Reads what Etlworks' clients send: which execution is meant, the parameters of a start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from service.dialects.etlworks.ids import LONG
from service.errors import BadRequest, UnsupportedMediaType
from service.http.json import read_body, read_json
from service.http.parameters import integer, uuid_text


@dataclass(frozen=True, slots=True)
class Selection:
    """Which execution of a flow is meant: all that is given must match; nothing: the latest."""

    flow_id: int
    audit_id: int | None
    message_id: str | None

    def matches(self, run: Mapping[str, Any], fullname: str) -> bool:
        """Tell whether a run of that flow is the one meant."""
        return (
            run["fullname"] == fullname
            and self.audit_id in (None, run["run_number"])
            and self.message_id in (None, run["run_id"])
        )

    def __str__(self) -> str:
        given = (("auditId", self.audit_id), ("messageId", self.message_id))
        named = " and ".join(f"{name} {value}" for name, value in given if value is not None)
        return f"flow {self.flow_id} with {named}" if named else f"flow {self.flow_id}"


def flow_id(request: web.Request) -> int:
    """Read the flow of the path.

    Raises:
        BadRequest: it is no long.

    """
    return integer(request.match_info["flowId"], "flowId", **LONG)


def selection(request: web.Request) -> Selection:
    """Read which execution is meant; an empty value is an absent one, other names are ignored.

    Raises:
        BadRequest: ``auditId`` is no long or ``messageId`` no UUID.

    Source: support.etlworks.com, "Get Flow status API".
    """
    audit_id, message_id = request.query.get("auditId"), request.query.get("messageId")
    return Selection(
        flow_id=flow_id(request),
        audit_id=integer(audit_id, "auditId", **LONG) if audit_id else None,
        message_id=uuid_text(message_id, "messageId") if message_id else None,
    )


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
    if "Content-Type" in request.headers and request.content_type != "application/json":
        raise UnsupportedMediaType("Content-Type must be application/json")
    body = await read_json(request, max_bytes)
    if not isinstance(body, dict):
        raise BadRequest("The body must be a flat map of parameters")
    for name, value in body.items():
        if isinstance(value, dict | list):
            raise BadRequest(f"Parameter {name} must not be nested", field=name)
    return body
