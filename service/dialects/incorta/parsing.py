"""Parses the requests of Incorta's clients: execution, level, load plan, restart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from service.dialects.incorta.errors import InvalidLevel
from service.errors import BadRequest, UnsupportedMediaType
from service.http.messages import read_json
from service.runs.domain.commands import RetryScope

LEVELS: Final = range(1, 5)
_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_MAX_DIGITS: Final = 20


def read_execution_id(request: web.Request) -> int:
    """Read the execution id of the path: any integer, even out of range.

    Raises:
        BadRequest: it is not an integer.

    """
    return _integer(request.match_info["executionId"], "execution ID")


def read_level(request: web.Request) -> int:
    """Read the requested level: 1 if absent or empty.

    Raises:
        BadRequest: it is not an integer.
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
    # Python refuses to convert thousands of digits; these many are out of range already.
    return int(text[:_MAX_DIGITS])


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart of a load plan, from a group on; 1 is the first.

    With an ``execution`` only its tasks that are not done run again. None is the plan's latest
    execution, of which all groups from there on run again.
    """

    name: str
    group: int
    execution: int | None

    @property
    def scope(self) -> RetryScope | None:
        """The part of the execution to run again; None is all of it."""
        if self.execution is not None:
            return RetryScope(self.group, only_incomplete=True)
        return None if self.group == 1 else RetryScope(self.group)


async def read_load_plan_name(request: web.Request, max_bytes: int) -> str:
    """Read the load plan's name from the body of an execute; other members are ignored.

    Raises:
        UnsupportedMediaType: it is not declared as JSON.
        BadRequest: it is not an object with a ``loadPlanName``.
        TooLarge: it has more than ``max_bytes``.

    Source: docs.incorta.com, "Execute Load Plan".
    """
    return _name(await _body(request, max_bytes))


async def read_restart(request: web.Request, max_bytes: int) -> Restart:
    """Read the body of a restart; other members are ignored, and group 0 counts as 1.

    Raises:
        UnsupportedMediaType: it is not declared as JSON.
        BadRequest: it is not an object with a ``loadPlanName`` and integers.
        TooLarge: it has more than ``max_bytes``.

    Source: docs.incorta.com, "Restart Load Plan".
    """
    body = await _body(request, max_bytes)
    name, group = _name(body), _whole(body, "groupSequence")
    recent = body.get("recentLoadPlanExecution")
    execution = None if recent is None else _whole(body, "recentLoadPlanExecution")
    return Restart(name, group or 1, execution)


async def _body(request: web.Request, max_bytes: int) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise UnsupportedMediaType("Content-Type must be application/json")
    body: Any = await read_json(request, max_bytes)
    if not isinstance(body, dict):
        raise BadRequest("The body must be an object")
    return body


def _name(body: Mapping[str, Any]) -> str:
    name = body.get("loadPlanName")
    if not isinstance(name, str) or not name:
        raise BadRequest("The body must have a loadPlanName", field="loadPlanName")
    return name


def _whole(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest(f"The body must have {name}, an integer", field=name)
    return value
