"""The reader of a request: of the present, or of the moment that it looks back to."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from events.envelope import Position
from projections.documents.run import micros
from service.errors import BadRequest, PositionAhead
from service.http.context import CALL
from service.http.parameters import integer, moment
from service.runs.read.query_api import QueryApi
from service.runs.read.time_travel import HistoricalQueries
from service.runtime import SERVICE, Service

AS_OF: Final = "as_of"
"""The query parameter: a position of the log, or a time of RFC 3339."""

AS_OF_HEADER: Final = "Flowledger-As-Of"
"""The header that says the same, for clients whose query is not theirs to change."""

MAX_POSITION: Final = 2**63 - 1
_DIGITS: Final = re.compile("[0-9]+")


def reading(request: web.Request) -> QueryApi:
    """Give the reader that a handler asks: `Queries`, or the past the request looks back to."""
    return request[CALL].past or request.app[SERVICE].queries


def up_to(request: web.Request) -> Position | None:
    """Name the position that a request looks back to; None for the present."""
    past = request[CALL].past
    return None if past is None else past.position


def names_moment(request: web.Request) -> bool:
    """Tell at a glance whether a request may name a moment; nearly none does."""
    target = request.raw_path
    return AS_OF_HEADER in request.headers or (
        # Only what is escaped can be there under other letters.
        "?" in target and (AS_OF in target or "%" in target) and AS_OF in request.query
    )


def asked(request: web.Request) -> str | None:
    """Tell which moment a request looks back to, as it says it; None: it asks for the present.

    Raises:
        BadRequest: it names more than one.
    """
    named = set(request.headers.getall(AS_OF_HEADER, ()))
    # The plus of an offset comes as a space where it was not escaped.
    named |= {text.replace(" ", "+") for text in request.query.getall(AS_OF, ())}
    if len(named) > 1:
        raise BadRequest(f"{AS_OF} and {AS_OF_HEADER} name different moments", field=AS_OF)
    return named.pop() if named else None


async def look_back(service: Service, text: str) -> HistoricalQueries:
    """Open the past as of a position or a time.

    Raises:
        BadRequest: it is neither, or is not over yet.
        LogError: the log cannot be read.
    """
    if _DIGITS.fullmatch(text):
        return await _at_position(service, integer(text, AS_OF, low=0, high=MAX_POSITION))
    return await _at_moment(service, moment(text, AS_OF))


async def _at_position(service: Service, position: int) -> HistoricalQueries:
    head = await service.log.head()
    if position > head:
        raise PositionAhead(f"{AS_OF} {position} is beyond the head of the log, {head}")
    recorded_at = await service.log.recorded_at(Position(position))
    # Before the first event there is nothing that could grow with the clock.
    return service.queries.as_of(Position(position), micros(recorded_at) if recorded_at else 0)


async def _at_moment(service: Service, at: datetime) -> HistoricalQueries:
    now = await service.log.now()
    if at >= now:  # what is recorded next may have that very time, where the clock was set back
        said = now.astimezone(UTC).isoformat()
        raise BadRequest(f"{AS_OF} is in the future: the ledger's clock says {said}", field=AS_OF)
    return service.queries.as_of(await service.log.position_at(at), micros(at))
