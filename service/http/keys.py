"""Typed keys of what the application and a request carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from service.app import Service
    from service.runs.past import Past

from service.auth.principal import Principal

SERVICE: Final[web.AppKey[Service]] = web.AppKey("service")
"""The composed service: log, writer, queries, catalogue, credentials, settings."""

PRINCIPAL: Final[web.RequestKey[Principal]] = web.RequestKey("principal", Principal)
"""Who asks; absent on open routes."""

POSITION: Final[web.RequestKey[int | None]] = web.RequestKey("position")
"""The position that the answer stands at, if the handler says so: `Flowledger-Position`."""

PAST: Final[web.RequestKey[Past | None]] = web.RequestKey("past")
"""The reader of the moment that the request looks back to; None where it asks for the present."""

REQUEST_ID: Final[web.RequestKey[str | None]] = web.RequestKey("request_id")
"""The request's id, once `service.http.origins.request_id` was asked for it: `X-Request-Id`."""
