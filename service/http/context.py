"""What a request carries, and the typed key under which it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from service.access import Principal
from service.runs.read.time_travel import HistoricalQueries


@dataclass(slots=True)
class Call:
    """What a request has with it, from the front door to its handler and back."""

    position: int | None = None
    """The position that the answer stands at, if the handler says so: `Flowledger-Position`."""

    past: HistoricalQueries | None = None
    """The reader of the moment that the request looks back to; None: it asks for the present."""

    request_id: str | None = None
    """The request's id, once `service.http.origin.request_id` was asked for it: `X-Request-Id`."""

    principal: Principal = field(init=False)
    """Who asks; not there on open routes."""


CALL: Final[web.RequestKey[Call]] = web.RequestKey("call", Call)
"""The one thing that a request carries."""
