"""The contract of a dialect: one vendor's API as a translation, without state and SQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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


class Dialect(Protocol):
    """One vendor's API; each dialect package has an instance named ``DIALECT``."""

    @property
    def name(self) -> str:
        """The vendor's name: its folder, its key in ``vendor_ids``, the source of its commands."""
        ...

    @property
    def description(self) -> Description:
        """The texts and schemas for openapi.yaml."""
        ...

    def routes(self) -> Sequence[Route]:
        """Return the routes; no path clashes with another dialect's."""
        ...

    def claims(self, path: str) -> bool:
        """Whether this vendor answers an unknown path with its own 404."""
        ...

    def authenticate(self, request: web.Request, credentials: Credentials) -> Awaitable[Principal]:
        """Authenticate a request by the vendor's way to present a credential.

        Raises:
            Unauthenticated: the credential is missing, malformed, unknown, expired or revoked.

        """
        ...

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Translate an error into the vendor's body, also 404, 405 and internal errors."""
        ...

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Derive the vendor's ids of a flow; those in ``fixed`` take precedence.

        Raises:
            ValueError: a fixed id has an unknown name or is malformed.

        """
        ...

    def run_ids(self, run: RunDocument) -> Mapping[str, Any]:
        """Compute the vendor's ids of a run from its document, without any look-up."""
        ...
