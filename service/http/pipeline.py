"""The one middleware: authenticates, authorises, sets a deadline, and words errors as the API does.

It wraps each handler when its route is added. aiohttp's own middleware chain is looked up anew for
every request, which takes a twentieth of a status read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

from events.types import EVERY_TENANT
from service.access import Principal, Right
from service.auth.credentials import Credentials
from service.dialect import Dialect, Handler
from service.errors import BadRequest, Forbidden, InternalError, Unavailable
from service.http.as_of import AS_OF, AS_OF_HEADER, open_as_of, requested_as_of
from service.http.browsers import BrowserRules
from service.http.context import CONTEXT, RequestContext
from service.http.error_mapping import check_target, error_response
from service.http.messages import (
    CACHE_CONTROL,
    REVALIDATE,
    entity_tag,
    not_modified,
    parse_integer,
)
from service.metrics.requests import CLIENT_CLOSED_REQUEST, RouteTimer
from service.runtime import SERVICE

MIN_POSITION: Final = "Flowledger-Min-Position"
"""The header by which a client asks for an answer that shows at least this position."""

MARGIN_S: Final = 3.0
"""How much longer than one statement a request may take."""

CHECK_S: Final = 0.25
"""Seconds between two looks at the requests in progress."""

SERVER: Final = "flowledger"
"""What answers, without its release: that tells an attacker what to try."""

IMMUTABLE: Final = "private, max-age=31536000, immutable"
"""As of an earlier moment the answer never changes."""

VARY: Final = (
    "Authorization, X-API-Key, x-ncp-iam-access-key, Accept, Accept-Encoding, Flowledger-As-Of"
)
"""What an answer depends on beside its URL: whose it is, its form, and the moment.

Said only of what is used without asking: whoever asks sends the tag of what he has.
"""

_READS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """What a route demands: whose credentials, which right (None: open), and see `Route`."""

    dialect: Dialect
    right: Right | None
    supports_as_of: bool = True
    lenient_query: bool = False
    ledger_wide: bool = False
    ledger_only: bool = False

    def authorize(self, principal: Principal) -> None:
        """Raise `Forbidden` unless the principal may use the route."""
        if self.right is not None:
            principal.require(self.right)
        if principal.tenant == EVERY_TENANT and not self.ledger_wide:
            raise Forbidden("a key of all tenants works under /v1 only; use a key of one tenant")
        if self.ledger_only and principal.tenant != EVERY_TENANT:
            raise Forbidden("this acts on all tenants: use a key of the tenant *")


def wrap(
    handler: Handler,
    policy: RoutePolicy | None,
    *,
    credentials: Credentials,
    dialect_of: Callable[[str], Dialect],
    timer: RouteTimer,
    deadlines: Deadlines,
    browsers: BrowserRules,
) -> Handler:
    """Wrap a handler; ``policy`` None is for requests that match no route.

    ``dialect_of`` names the dialect of such a request's path. The wrapper is one function with few
    calls, since every request goes through it.
    """
    right = policy.right if policy is not None else None

    async def answer(request: web.Request) -> web.StreamResponse:
        started, status = timer.start(), CLIENT_CLOSED_REQUEST
        context = request[CONTEXT] = RequestContext()
        task = deadlines.start(request)
        try:
            try:
                if "%" in request.raw_path:
                    _check_target(request, policy)
                if browsers.guards_hosts or _is_from_page(request):
                    browsers.check(request, right)
                if policy is not None and policy.right is not None:
                    principal = await policy.dialect.authenticate(request, credentials)
                    policy.authorize(principal)
                    context.principal = principal
                    if MIN_POSITION in request.headers or _may_have_as_of(request):
                        await _prepare_read(request, policy)
                response = await handler(request)
            except (Exception, asyncio.CancelledError) as caught:
                error = _late(caught, deadlines, task)
                if request.writer.output_size > 0:  # the response has begun
                    status = InternalError.status
                    raise
                dialect = policy.dialect if policy is not None else dialect_of(request.path)
                response = error_response(request, dialect, error)
            _finish(request, policy, response, context)
            if "Origin" in request.headers:
                browsers.share(request, response)
            if request.transport is not None:
                status = response.status
            return response
        finally:
            deadlines.finish(task)
            timer.finish(started, status)

    return answer


def _late(
    error: Exception | asyncio.CancelledError, deadlines: Deadlines, task: asyncio.Task[Any]
) -> Exception:
    """Tell a handler that the deadline has cancelled from one that somebody else has."""
    if isinstance(error, Exception):
        return error
    if not deadlines.has_expired(task):
        raise error
    return Unavailable(f"no answer was found within {deadlines.bound_s:.0f} s; try again")


def _is_from_page(request: web.Request) -> bool:
    """Tell whether a page in a browser sends this; programs send neither header."""
    return "Origin" in request.headers or "Sec-Fetch-Site" in request.headers


def _check_target(request: web.Request, policy: RoutePolicy | None) -> None:
    path, _, _query = request.raw_path.partition("?")
    lenient = policy is not None and policy.lenient_query
    check_target(path if lenient else request.raw_path)


def _may_have_as_of(request: web.Request) -> bool:
    """Tell cheaply whether a request may name an earlier moment; hardly any does."""
    target = request.raw_path
    return AS_OF_HEADER in request.headers or (
        # Percent-encoding may hide the parameter's name.
        "?" in target and (AS_OF in target or "%" in target) and AS_OF in request.query
    )


async def _prepare_read(request: web.Request, policy: RoutePolicy) -> None:
    """Wait for the requested minimum position; choose the queries of the requested moment."""
    if MIN_POSITION in request.headers and request.method in _READS:
        text = ",".join(request.headers.getall(MIN_POSITION))
        position = parse_integer(text, MIN_POSITION, low=0, high=2**63 - 1)
        await request.app[SERVICE].positions.require_position(position)
    if (as_of := requested_as_of(request)) is None:
        return
    if request.method not in _READS:
        raise BadRequest(f"{AS_OF} goes with GET and HEAD only; leave it out", field=AS_OF)
    if not policy.supports_as_of:
        raise BadRequest(f"this resource has no past; leave {AS_OF} out", field=AS_OF)
    request[CONTEXT].historical = await open_as_of(request.app[SERVICE], as_of)


def _finish(
    request: web.Request,
    policy: RoutePolicy | None,
    response: web.StreamResponse,
    context: RequestContext,
) -> None:
    """Set the headers that all APIs share; answer 304 where the client has the same already."""
    if response.prepared:
        return
    headers, historical = response.headers, context.historical
    headers["Server"] = SERVER
    headers["X-Content-Type-Options"] = "nosniff"
    position = context.position if historical is None else historical.position
    if position is not None:
        headers["Flowledger-Position"] = str(position)
    if context.request_id is not None:
        headers["X-Request-Id"] = context.request_id
    if request.method not in _READS:
        headers[CACHE_CONTROL] = "no-store"
        headers.pop("ETag", None)
        return
    if CACHE_CONTROL not in headers:
        if not _is_private_read(policy, response):
            headers[CACHE_CONTROL] = "no-store"
            return
        headers[CACHE_CONTROL] = REVALIDATE
        headers["ETag"] = entity_tag(cast("bytes", cast("web.Response", response).body))
    if historical is not None and headers[CACHE_CONTROL] == REVALIDATE:
        headers[CACHE_CONTROL], headers["Vary"] = IMMUTABLE, VARY
    if "If-None-Match" in request.headers and not_modified(request, response):
        response.set_status(HTTPStatus.NOT_MODIFIED)
        cast("web.Response", response).body = None


def _is_private_read(policy: RoutePolicy | None, response: web.StreamResponse) -> bool:
    return (
        response.status == HTTPStatus.OK
        and policy is not None
        and policy.right is not None
        and isinstance(response, web.Response)
        and isinstance(response.body, bytes)
    )


@dataclass(slots=True)
class _InProgress:
    request: web.Request
    since_s: float
    expired: bool = False


class Deadlines:
    """Cancels the handlers of requests that take longer than ``bound_s``.

    One look at all of them now and then: a timer for each would take longer than some answers. Time
    in which a client still sends its request does not count, nor what waits on purpose
    (`RequestContext.waits_for_run`), nor an answer that has begun.
    """

    def __init__(self, bound_s: float) -> None:
        self.bound_s = bound_s
        self._in_progress: dict[asyncio.Task[Any], _InProgress] = {}
        """The longest in progress first."""
        self._timer: asyncio.TimerHandle | None = None

    def start(self, request: web.Request) -> asyncio.Task[Any]:
        """Watch the request that the current task answers, until `finish`; gives that task."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 - a request is answered in a task
        self._in_progress[task] = _InProgress(request, loop.time())
        if self._timer is None:
            self._timer = loop.call_later(CHECK_S, self._check)
        return task

    def finish(self, task: asyncio.Task[Any]) -> None:
        """Stop watching the request of a task."""
        del self._in_progress[task]

    def has_expired(self, task: asyncio.Task[Any]) -> bool:
        """Tell whether the deadline cancelled a task; if so, it is cancelled no longer."""
        expired = self._in_progress[task].expired
        if expired:
            task.uncancel()
        return expired

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for task, each in list(self._in_progress.items()):
            if now_s - each.since_s < self.bound_s:
                break
            if each.expired:
                continue
            if _is_unhurried(each.request):
                # Last in the order: its time begins anew.
                self._in_progress[task] = self._in_progress.pop(task)
                each.since_s = now_s
            else:
                each.expired = True
                task.cancel()
        self._timer = loop.call_later(CHECK_S, self._check) if self._in_progress else None


def _is_unhurried(request: web.Request) -> bool:
    sending = not request.content.is_eof()
    return sending or request[CONTEXT].waits_for_run or request.writer.output_size > 0
