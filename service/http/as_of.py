"""Time travel over HTTP: the moment that a request names, and the queries as of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from events.envelope import Position
from projections.documents.run import micros
from service.errors import BadRequest, PositionAhead
from service.http.messages import parse_integer, parse_time
from service.runs.read.time_travel import HistoricalQueries
from service.runtime import Service

AS_OF: Final = "as_of"
"""The query parameter: a log position, or an RFC 3339 time."""

AS_OF_HEADER: Final = "Flowledger-As-Of"
"""The same as a header, for clients that cannot change their query."""

MAX_POSITION: Final = 2**63 - 1
_DIGITS: Final = re.compile("[0-9]+")


def requested_as_of(request: web.Request) -> str | None:
    """Return the moment that a request names, unparsed; None if it names none.

    Raises:
        BadRequest: it names more than one.
    """
    named = set(request.headers.getall(AS_OF_HEADER, ()))
    # A client may send the plus of a time offset unescaped, which decodes to a space.
    named |= {text.replace(" ", "+") for text in request.query.getall(AS_OF, ())}
    if len(named) > 1:
        raise BadRequest(f"{AS_OF} and {AS_OF_HEADER} name different moments", field=AS_OF)
    return named.pop() if named else None


async def open_as_of(service: Service, text: str) -> HistoricalQueries:
    """Return the queries as of a position or a time.

    Raises:
        BadRequest: it is neither, or lies in the future.
        LogError: the log cannot be read.
    """
    if _DIGITS.fullmatch(text):
        return await _at_position(service, parse_integer(text, AS_OF, low=0, high=MAX_POSITION))
    return await _at_time(service, parse_time(text, AS_OF))


async def _at_position(service: Service, position: int) -> HistoricalQueries:
    head = await service.log.head()
    if position > head:
        raise PositionAhead(AS_OF, position, head)
    recorded_at = await service.log.recorded_at(Position(position))
    # Before the first event there is no duration that could depend on the time.
    return service.queries.as_of(Position(position), micros(recorded_at) if recorded_at else 0)


async def _at_time(service: Service, at: datetime) -> HistoricalQueries:
    now = await service.log.now()
    # The present counts as the future: the next event may be recorded at this same time.
    if at >= now:
        clock = now.astimezone(UTC).isoformat()
        raise BadRequest(f"{AS_OF} is in the future: the ledger's clock says {clock}", field=AS_OF)
    return service.queries.as_of(await service.log.position_at(at), micros(at))
