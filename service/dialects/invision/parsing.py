"""Parses the requests of InVision's clients: parameters in any case, arguments of a start."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from service.errors import BadRequest, NotFound, UnsupportedMediaType
from service.http.messages import parse_uuid, read_body, read_json

_TRUE: Final = frozenset({"true", "1"})
_ARGUMENTS: Final[dict[str, type]] = {
    "globalArguments": dict,
    "activitiesExecutionData": list,
    "dataContext": str,
}
_NAMES: Final = {name.lower(): name for name in _ARGUMENTS}
_JSON: Final = re.compile(r"(application|text)/([^;]+\+)?json")


def parameters(request: web.Request, name: str) -> list[str]:
    """Return the values of a parameter, whatever the case of its name."""
    return [value for key, value in request.query.items() if key.lower() == name]


def wants_to_wait(request: web.Request) -> bool:
    """Tell whether to answer at the end of the run; only ``true`` and ``1`` are true."""
    return any(value.lower() in _TRUE for value in parameters(request, "await"))


def read_run_id(request: web.Request) -> str:
    """Read the run id of the path.

    Raises:
        NotFound: it is not a GUID, so there is no such run.

    """
    try:
        return parse_uuid(request.match_info["runId"], "runId")
    except BadRequest as error:
        raise unknown_run(request) from error


def unknown_run(request: web.Request) -> NotFound:
    """Return the error that the data flow of the path has no such run."""
    flow, run = request.match_info["id"], request.match_info["runId"]
    return NotFound(f"Data flow {flow} has no run {run}")


async def read_arguments(request: web.Request, max_bytes: int) -> dict[str, Any]:
    """Read the arguments of a start as a payload: the global ones merged with the others.

    The body may be absent or empty and needs no Content-Type. Unknown members are ignored; names
    are case-insensitive.

    Raises:
        UnsupportedMediaType: its type is declared and is not JSON.
        BadRequest: it does not have the connector's shape.
        TooLarge: it has more than ``max_bytes``.

    Source: docs.profitbase.com, Flow, "Execute Data Flow".
    """
    if not await read_body(request):
        return {}
    if "Content-Type" in request.headers and not _JSON.fullmatch(request.content_type):
        raise UnsupportedMediaType("Content-Type must be application/json")
    body = await read_json(request, max_bytes)
    if not isinstance(body, dict):
        raise BadRequest("The body must be an object")
    given = {
        _NAMES[name.lower()]: value
        for name, value in body.items()
        if name.lower() in _NAMES and value is not None
    }
    for name, value in given.items():
        if not isinstance(value, _ARGUMENTS[name]):
            raise BadRequest(f"{name} is not of its type", field=name)
    if not all(isinstance(each, dict) for each in given.get("activitiesExecutionData", ())):
        raise BadRequest("activitiesExecutionData must be a list of objects")
    return {**given.pop("globalArguments", {}), **given}
