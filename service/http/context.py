"""The context of a request, and what every handler does through it: read, submit a command."""

from __future__ import annotations

import itertools
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from events.envelope import Position
from service.access import Origin, Principal
from service.runs.domain.commands import Command, Outcome
from service.runs.read.query_api import QueryApi
from service.runs.read.time_travel import HistoricalQueries
from service.runtime import SERVICE

_CLIENT_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PROCESS: Final = secrets.token_hex(6)
_COUNT: Final = itertools.count(1)


@dataclass(slots=True)
class RequestContext:
    """What a request carries from the pipeline to its handler and back."""

    position: int | None = None
    """The log position of the answer, if the handler sets it: `Flowledger-Position`."""

    historical: HistoricalQueries | None = None
    """The queries of the requested earlier moment; None for the present."""

    request_id: str | None = None
    """The request's id, once `request_id` has been called: `X-Request-Id`."""

    waits_for_run: bool = False
    """Whether the answer waits for a run to end, for as long as that takes."""

    principal: Principal = field(init=False)
    """The authenticated caller; not set on open routes."""


CONTEXT: Final[web.RequestKey[RequestContext]] = web.RequestKey("context", RequestContext)
"""The key under which a request has its context."""


def request_id(request: web.Request) -> str:
    """Return the request's id: its ``X-Request-Id`` if that is well-formed, else a new one."""
    context = request[CONTEXT]
    if context.request_id is None:
        given = request.headers.get("X-Request-Id", "")
        well_formed = _CLIENT_REQUEST_ID.fullmatch(given) is not None
        context.request_id = given if well_formed else f"{_PROCESS}-{next(_COUNT):x}"
    return context.request_id


def query_api(request: web.Request) -> QueryApi:
    """Return the queries to answer from: of the present, or of the requested moment."""
    return request[CONTEXT].historical or request.app[SERVICE].queries


def as_of_position(request: web.Request) -> Position | None:
    """Return the position of the requested earlier moment; None for the present."""
    historical = request[CONTEXT].historical
    return None if historical is None else historical.position


def origin(request: web.Request, source: str) -> Origin:
    """Describe where a command comes from; ``source`` is a dialect's name or ``api``."""
    principal = request[CONTEXT].principal
    return Origin(
        actor=principal.name,
        source=source,
        key_id=principal.key_id,
        remote=request.remote or "",
        request_id=request_id(request),
    )


async def submit(request: web.Request, command: Command) -> Outcome:
    """Submit a command and wait until the read models show its events.

    Raises:
        ServiceError: the command is refused, see `Writer.submit`.
    """
    outcome = await request.app[SERVICE].writer.submit(command)
    await wait_until_visible(request, outcome)
    return outcome


async def wait_until_visible(request: web.Request, outcome: Outcome) -> None:
    """Wait until the read models show an outcome; the answer then names its position."""
    await request.app[SERVICE].positions.wait_until_visible(outcome.position)
    request[CONTEXT].position = outcome.position
