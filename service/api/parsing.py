"""Turns what a client of our own API sends into commands and filters, or says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

from aiohttp import web

from events import types
from projections.documents.lifecycle import RunStatus
from service.errors import BadRequest, Forbidden, UnsupportedMediaType
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
"""Between these lies what can be reported: every vendor can write it, in any time zone."""

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
    """Refuse a query with other parameters than these, or with one of them twice."""
    given = request.query
    for name in given:
        if name not in (*known, AS_OF):
            names = ", ".join(known) or "none"
            raise BadRequest(f"unknown parameter {name}; known are {names}", field=name)
        if len(given.getall(name)) > 1:
            raise BadRequest(f"parameter {name} is given twice", field=name)


def tenant(request: web.Request, *others: str) -> str:
    """Name the tenant that a request is about; a ledger-wide credential says ``?tenant=``.

    In the query there may be ``others``, and nothing else.
    """
    named = tenant_or_all(request, *others)
    if named == types.EVERY_TENANT:
        raise BadRequest(
            "this credential is valid for all tenants; name one with ?tenant=", field="tenant"
        )
    return named


def tenant_or_all(request: web.Request, *others: str) -> str:
    """Name the tenant like `tenant`; ``*`` if a ledger-wide credential names none."""
    check_query(request, "tenant", *others)
    own = request[CONTEXT].principal.tenant
    asked = request.query.get("tenant") or own
    if own not in (types.EVERY_TENANT, asked):
        raise BadRequest("this credential belongs to one tenant; leave tenant out", field="tenant")
    return asked


def whole_ledger(request: web.Request) -> None:
    """Refuse a credential of one tenant: what is asked concerns all of them."""
    if request[CONTEXT].principal.tenant != types.EVERY_TENANT:
        raise Forbidden("this operation concerns all tenants and needs a key of tenant *")


def run_id(request: web.Request) -> str:
    """Read the run id of the path."""
    return parse_uuid(request.match_info["run_id"], "run_id")


async def json_object(request: web.Request, allowed: frozenset[str]) -> dict[str, Any]:
    """Read a JSON object with no other members than these."""
    if request.content_type != "application/json":
        raise UnsupportedMediaType("send application/json")
    body = await read_json(request, request.app[SERVICE].settings.max_body)
    return _members(body, allowed, "the body")


async def optional_object(request: web.Request, allowed: frozenset[str]) -> dict[str, Any]:
    """Read a JSON object where a body is optional; absent is empty."""
    if not await read_body(request):
        return {}
    return await json_object(request, allowed)


def text(body: Mapping[str, Any], name: str, *, longest: int = MAX_NAME) -> str:
    """Read a required text of bounded length."""
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise BadRequest(f"{name} must be a text of 1 to {longest} characters", field=name)
    return value


def optional_text(body: Mapping[str, Any], name: str, *, longest: int) -> str | None:
    """Read an optional text of bounded length; null is absent."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise BadRequest(f"{name} must be a text of at most {longest} characters", field=name)
    return value


def optional_integer(body: Mapping[str, Any], name: str) -> int | None:
    """Read an optional positive integer; null is absent."""
    return None if body.get(name) is None else whole_number(body, name)


def whole_number(body: Mapping[str, Any], name: str) -> int:
    """Read a required whole number from 1 on."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LAST_POSITION:
        raise BadRequest(f"{name} must be a whole number from 1 to {LAST_POSITION}", field=name)
    return value


def mapping(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Read an optional JSON object; absent is empty."""
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object", field=name)
    return value


def flag(body: Mapping[str, Any], name: str) -> bool:
    """Read an optional true or false; absent is false."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false", field=name)
    return value


def retry_scope(body: Mapping[str, Any]) -> RetryScope | None:
    """Read which part of a run a retry is of; None is all of it."""
    origin, group = body.get("from", "start"), optional_integer(body, "group")
    match origin:
        case "start" if group is None:
            return None
        case "start":
            raise BadRequest('group is for "from": "group" or "failed"', field="group")
        case "group":
            return RetryScope(whole_number(body, "group"))
        case "failed":
            return RetryScope(group or 1, only_incomplete=True)
        case _:
            raise BadRequest("from must be one of start, group, failed", field="from")


def reported_events(body: Mapping[str, Any]) -> tuple[ReportedEvent, ...]:
    """Read the reported events of a call: 1 to 500, each whole or the call is refused."""
    listed = body.get("events")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_REPORTED_EVENTS:
        raise BadRequest(
            f"events must be a list of 1 to {MAX_REPORTED_EVENTS} events", field="events"
        )
    return tuple(_reported_event(each, f"events[{at}]") for at, each in enumerate(listed))


_REPORTED_EVENT_MEMBERS = frozenset({"event_id", "type", "task", "occurred_at", "data"})


def _reported_event(raw: object, where: str) -> ReportedEvent:
    body = _members(raw, _REPORTED_EVENT_MEMBERS, where)
    try:
        kind = text(body, "type")
        return ReportedEvent(
            event_id=text(body, "event_id"),
            type=kind,
            task=_task(body, kind),
            data=mapping(body, "data"),
            occurred_at=_optional_time(body, "occurred_at"),
        )
    except BadRequest as error:
        raise BadRequest(f"{where}: {error.detail}", field=f"{where}.{error.field}") from None


def _task(body: Mapping[str, Any], kind: str) -> str | None:
    if kind in TASK_EVENTS:
        return text(body, "task", longest=1000)
    if kind not in RUN_EVENTS:
        known = ", ".join(sorted(RUN_EVENTS | TASK_EVENTS))
        raise BadRequest(f"type must be one of {known}", field="type")
    if body.get("task") is not None:
        raise BadRequest(f"{kind} is about the run: leave task out", field="task")
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
    return _within_years(parse_time(value, name), name)


def _within_years(at: datetime, name: str) -> datetime:
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
    """Read the filters of the audit trail; ``type`` may name several, with commas between."""
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
    return None if at is None else _within_years(at, name)


def _query_time(query: Mapping[str, str], name: str) -> datetime | None:
    # The plus of an offset comes as a space where it was not escaped.
    return parse_time(query[name].replace(" ", "+"), name) if name in query else None


def window(query: Mapping[str, str], name: str, *, default: int) -> tuple[int | None, int]:
    """Read where a page begins (the parameter of that name) and how many rows it has."""
    begin = parse_integer(query[name], name, low=0, high=2**63 - 1) if name in query else None
    limit = parse_integer(query["limit"], "limit", high=MAX_ROWS) if "limit" in query else default
    return begin, limit
