"""Parses requests to our own API into commands and filters; an error names what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

from aiohttp import web

from events import types
from projections.documents.lifecycle import RunStatus
from service.errors import BadRequest, UnsupportedMediaType
from service.http.as_of import AS_OF
from service.http.context import CONTEXT
from service.http.messages import parse_integer, parse_time, parse_uuid, read_body, read_json
from service.runs.domain.commands import ReportedEvent, RetryScope
from service.runs.read.audit_query import AuditFilter
from service.runs.read.history import AuditWindow
from service.runs.read.query_api import RunFilter
from service.runtime import SERVICE

MAX_REPORTED_EVENTS: Final = 500
MAX_NAME: Final = 200
MAX_ROWS: Final = 1000
MAX_REASON: Final = 1000
LAST_POSITION: Final = 2**63 - 1
FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_TIME: Final = datetime(9998, 12, 31, tzinfo=UTC)
"""Bounds of a reported time: every vendor can write these, in any time zone."""

RUN_EVENTS: Final = frozenset(
    {
        types.RUN_STARTED,
        types.RUN_SUCCEEDED,
        types.RUN_WARNED,
        types.RUN_FAILED,
        types.RUN_CANCELLED,
    }
)
TASK_EVENTS: Final = frozenset(
    {
        types.TASK_STARTED,
        types.TASK_SUCCEEDED,
        types.TASK_WARNED,
        types.TASK_FAILED,
        types.TASK_SKIPPED,
        types.TASK_OUTPUT_RECORDED,
    }
)
STATUSES: Final[tuple[RunStatus, ...]] = get_args(RunStatus)


def check_query(request: web.Request, *known: str) -> None:
    """Refuse unknown and repeated query parameters."""
    given = request.query
    for name in given:
        if name not in (*known, AS_OF):
            names = ", ".join(known) or "none"
            raise BadRequest(f"unknown parameter {name}; known are {names}", field=name)
        if len(given.getall(name)) > 1:
            raise BadRequest(f"parameter {name} is given twice", field=name)


def tenant(request: web.Request, *others: str) -> str:
    """Return the tenant of a request; a ledger-wide credential names it with ``?tenant=``.

    ``others`` are the further parameters that the query may have.
    """
    named = tenant_or_all(request, *others)
    if named == types.EVERY_TENANT:
        raise BadRequest(
            "this credential is valid for all tenants; name one with ?tenant=", field="tenant"
        )
    return named


def tenant_or_all(request: web.Request, *others: str) -> str:
    """Return the tenant, or ``*`` if a ledger-wide credential names none."""
    check_query(request, "tenant", *others)
    own = request[CONTEXT].principal.tenant
    requested = request.query.get("tenant") or own
    if own not in (types.EVERY_TENANT, requested):
        raise BadRequest("this credential belongs to one tenant; leave tenant out", field="tenant")
    return requested


def run_id(request: web.Request) -> str:
    """Read the run id from the path."""
    return parse_uuid(request.match_info["run_id"], "run_id")


async def json_object(request: web.Request, allowed: frozenset[str]) -> dict[str, Any]:
    """Read a JSON object that has no members but the allowed ones."""
    if request.content_type != "application/json":
        raise UnsupportedMediaType("send application/json")
    body = await read_json(request, request.app[SERVICE].settings.max_body)
    return _members(body, allowed, "the body")


async def optional_json_object(request: web.Request, allowed: frozenset[str]) -> dict[str, Any]:
    """Read a JSON object; an absent body is an empty object."""
    if not await read_body(request):
        return {}
    return await json_object(request, allowed)


def required_text(body: Mapping[str, Any], name: str, *, max_length: int = MAX_NAME) -> str:
    """Read a required text of bounded length."""
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= max_length:
        raise BadRequest(f"{name} must be a text of 1 to {max_length} characters", field=name)
    return value


def optional_text(body: Mapping[str, Any], name: str, *, max_length: int) -> str | None:
    """Read an optional text of bounded length; null counts as absent."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > max_length:
        raise BadRequest(f"{name} must be a text of at most {max_length} characters", field=name)
    return value


def optional_integer(
    body: Mapping[str, Any], name: str, *, most: int = LAST_POSITION
) -> int | None:
    """Read an optional whole number from 1; null counts as absent."""
    return None if body.get(name) is None else positive_integer(body, name, most=most)


def positive_integer(body: Mapping[str, Any], name: str, *, most: int = LAST_POSITION) -> int:
    """Read a required whole number from 1."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadRequest(f"{name} must be a whole number from 1 to {most}", field=name)
    return value


def optional_mapping(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Read an optional JSON object; an absent one is empty."""
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object", field=name)
    return value


def optional_flag(body: Mapping[str, Any], name: str) -> bool:
    """Read an optional boolean; an absent one is false."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false", field=name)
    return value


def retry_scope(body: Mapping[str, Any]) -> RetryScope | None:
    """Read which part of a run to retry; None is all of it."""
    origin, group = body.get("from", "start"), optional_integer(body, "group")
    match origin:
        case "start" if group is None:
            return None
        case "start":
            raise BadRequest('group is for "from": "group" or "failed"', field="group")
        case "group":
            return RetryScope(positive_integer(body, "group"))
        case "failed":
            return RetryScope(group or 1, only_incomplete=True)
        case _:
            raise BadRequest("from must be one of start, group, failed", field="from")


def reported_events(body: Mapping[str, Any]) -> tuple[ReportedEvent, ...]:
    """Read 1 to 500 reported events; a single malformed one refuses the call."""
    events = body.get("events")
    if not isinstance(events, list) or not 0 < len(events) <= MAX_REPORTED_EVENTS:
        raise BadRequest(
            f"events must be a list of 1 to {MAX_REPORTED_EVENTS} events", field="events"
        )
    return tuple(_reported_event(each, f"events[{at}]") for at, each in enumerate(events))


_REPORTED_EVENT_MEMBERS = frozenset({"event_id", "type", "task", "occurred_at", "data"})


def _reported_event(raw: object, where: str) -> ReportedEvent:
    body = _members(raw, _REPORTED_EVENT_MEMBERS, where)
    try:
        kind = required_text(body, "type")
        return ReportedEvent(
            event_id=required_text(body, "event_id"),
            type=kind,
            task=_task(body, kind),
            data=optional_mapping(body, "data"),
            occurred_at=_optional_time(body, "occurred_at"),
        )
    except BadRequest as error:
        raise BadRequest(f"{where}: {error.detail}", field=f"{where}.{error.field}") from None


def _task(body: Mapping[str, Any], kind: str) -> str | None:
    if kind in TASK_EVENTS:
        return required_text(body, "task", max_length=1000)
    if kind not in RUN_EVENTS:
        known = ", ".join(sorted(RUN_EVENTS | TASK_EVENTS))
        raise BadRequest(f"type must be one of {known}", field="type")
    if body.get("task") is not None:
        raise BadRequest(f"{kind} is an event of the run: leave task out", field="task")
    return None


def _members(raw: object, allowed: frozenset[str], where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise BadRequest(f"{where} must be a JSON object")
    unknown = sorted(raw.keys() - allowed)
    if unknown:
        raise BadRequest(
            f"{where} has the unknown member {unknown[0]}; known are {', '.join(sorted(allowed))}",
            field=unknown[0],
        )
    return raw


def _optional_time(body: Mapping[str, Any], name: str) -> datetime | None:
    value = body.get(name)
    if value is None:
        return None
    return _within_bounds(parse_time(value, name), name)


def _within_bounds(at: datetime, name: str) -> datetime:
    if not FIRST_TIME <= at <= LAST_TIME:
        raise BadRequest(f"{name} must lie within the years 1970 to 9998", field=name)
    return at


FILTERS: Final = ("flow", "status", "started_by", "created_after", "created_before")


def run_filter(query: Mapping[str, str]) -> RunFilter:
    """Read the filters of a list of runs."""
    status = query.get("status")
    if status not in (None, *STATUSES):
        raise BadRequest(f"status must be one of {', '.join(STATUSES)}", field="status")
    return RunFilter(
        fullname=query.get("flow"),
        status=status,
        started_by=query.get("started_by"),
        created_after=_query_time(query, "created_after"),
        created_before=_query_time(query, "created_before"),
    )


AUDIT_FILTERS: Final = ("actor", "flow", "type", "from", "to")


def audit_window(tenant: str, query: Mapping[str, str]) -> AuditWindow:
    """Read the filters of the audit trail; ``type`` is a comma-separated list."""
    types_ = query["type"].split(",") if "type" in query else None
    for each in types_ or ():
        if each not in types.SCHEMA_VERSIONS:
            known = ", ".join(sorted(types.SCHEMA_VERSIONS))
            raise BadRequest(f"there is no event type {each}; known are {known}", field="type")
    return AuditWindow(
        AuditFilter(
            tenant=None if tenant == types.EVERY_TENANT else tenant,
            actor=query.get("actor"),
            types=types_,
            flow=query.get("flow"),
        ),
        since=_bounded_time(query, "from"),
        until=_bounded_time(query, "to"),
    )


def _bounded_time(query: Mapping[str, str], name: str) -> datetime | None:
    at = _query_time(query, name)
    return None if at is None else _within_bounds(at, name)


def _query_time(query: Mapping[str, str], name: str) -> datetime | None:
    # A client may send the plus of a time offset unescaped, which decodes to a space.
    return parse_time(query[name].replace(" ", "+"), name) if name in query else None


def page_bounds(query: Mapping[str, str], name: str, *, default: int) -> tuple[int | None, int]:
    """Read where a page begins, from the named parameter, and how many rows it has."""
    begin = parse_integer(query[name], name, low=0, high=2**63 - 1) if name in query else None
    limit = parse_integer(query["limit"], "limit", high=MAX_ROWS) if "limit" in query else default
    return begin, limit
