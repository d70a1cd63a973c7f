"""Typed keys of what the application and a request carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from service.app import Service
    from service.auth.principal import Principal
    from service.runs.read.time_travel import Past

SERVICE: Final[web.AppKey[Service]] = web.AppKey("service")
"""The composed service: log, writer, queries, catalogue, credentials, settings."""


@dataclass(slots=True)
class Call:
    """What a request has with it, from the front door to its handler and back."""

    position: int | None = None
    """The position that the answer stands at, if the handler says so: `Flowledger-Position`."""

    past: Past | None = None
    """The reader of the moment that the request looks back to; None: it asks for the present."""

    request_id: str | None = None
    """The request's id, once `service.http.origin.request_id` was asked for it: `X-Request-Id`."""

    principal: Principal = field(init=False)
    """Who asks; not there on open routes."""


CALL: Final[web.RequestKey[Call]] = web.RequestKey("call", Call)
"""The one thing that a request carries."""
