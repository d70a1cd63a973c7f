"""The contract of a dialect: one vendor's API as a translation, without state and SQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from marshmallow import Schema

from projections.documents.run import RunDocument
from service.access import Principal, Right
from service.auth.credentials import Credentials
from service.errors import ServiceError
from service.flows.identity import FlowIdentity
from service.settings import Settings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: ``path`` in aiohttp's syntax; ``right`` None needs no credential.

    ``supports_as_of``: whether a read accepts `as_of`; False if the log does not hold its content.
    ``ledger_wide``: whether keys of the whole ledger, whose tenant is ``*``, may use it.
    ``ledger_only``: whether no other keys may, since it acts on all tenants.
    ``lenient_query``: whether unreadable query parameters count as absent instead of as an error.
    ``enabled_if``: whether the settings enable it; None: always. openapi.yaml leaves out routes
    that depend on a setting.
    """

    method: str
    path: str
    handler: Handler
    right: Right | None = Right.READ
    supports_as_of: bool = True
    ledger_wide: bool = False
    ledger_only: bool = False
    lenient_query: bool = False
    enabled_if: Callable[[Settings], bool] | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What openapi.yaml says about a dialect as a whole.

    ``security`` are OpenAPI security schemes by name, any one of which suffices. ``error`` is the
    schema of every error body, with the media type ``error_type``.
    """

    title: str
    text: str
    security: Mapping[str, Mapping[str, Any]]
    error: type[Schema]
    error_type: str = "application/json"


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """One vendor's API; each dialect package has an instance named ``DIALECT``.

    Dialects are compared and hashed by identity: they are part of the keys of cached responses.

    ``name``: the folder, the key in ``vendor_ids``, the source of the vendor's commands.
    ``routes``: no path clashes with another dialect's.
    ``claims``: whether this vendor answers an unknown path, with its own 404.
    ``authenticate``: raises `Unauthenticated` for a credential that is missing or not valid.
    ``error``: translates an error into the vendor's body, also 404, 405 and internal errors.
    ``flow_ids``: derives the vendor's ids of a flow; the fixed ones in its second argument take
    precedence. Raises ValueError if one of those has an unknown name or is malformed.
    ``run_ids``: computes the vendor's ids of a run from its document, without any look-up.
    """

    name: str
    description: Description
    routes: Sequence[Route]
    claims: Callable[[str], bool]
    authenticate: Callable[[web.Request, Credentials], Awaitable[Principal]]
    error: Callable[[web.Request, ServiceError], web.Response]
    flow_ids: Callable[[FlowIdentity, Mapping[str, Any]], Mapping[str, Any]]
    run_ids: Callable[[RunDocument], Mapping[str, Any]]
