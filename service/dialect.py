"""The contract of a dialect: one vendor's API as a translation, with no state and no SQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web
from marshmallow import Schema

from service.access import Principal, Right
from service.auth.credentials import Credentials
from service.errors import ServiceError
from service.flows.identity import FlowIdentity
from service.settings import Settings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: ``path`` in aiohttp's syntax; ``right`` None is open to all.

    ``past``: whether a read answers as of any moment; False where it tells of what is in no log.
    ``ledger_wide``: whether keys of the whole ledger, whose tenant is ``*``, may use it.
    ``any_query``: whether the query may be broken, since what cannot be read counts as absent.
    ``where``: by which settings it is served; None: always. Pages that a setting brings are in no
    document.
    """

    method: str
    path: str
    handler: Handler
    right: Right | None = Right.READ
    past: bool = True
    ledger_wide: bool = False
    any_query: bool = False
    where: Callable[[Settings], bool] | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What openapi.yaml says of a dialect as a whole.

    ``security`` are OpenAPI security schemes by name, any one of which suffices; ``error`` is the
    body of every refusal, of the media type ``error_type``.
    """

    title: str
    text: str
    security: Mapping[str, Mapping[str, Any]]
    error: type[Schema]
    error_type: str = "application/json"


class Dialect(Protocol):
    """One vendor's API. Each dialect package exposes an instance named ``DIALECT``."""

    @property
    def name(self) -> str:
        """Name the vendor: the folder, the key in ``vendor_ids``, the source of what it starts."""
        ...

    @property
    def description(self) -> Description:
        """Say what openapi.yaml tells of the dialect as a whole."""
        ...

    def routes(self) -> Sequence[Route]:
        """List what is served; paths do not clash with any other dialect's."""
        ...

    def claims(self, path: str) -> bool:
        """Tell whether an unknown path is this vendor's to answer with its own 404."""
        ...

    def authenticate(self, request: web.Request, credentials: Credentials) -> Awaitable[Principal]:
        """Name who asks, by the vendor's way to present a credential.

        Raises:
            Unauthenticated: the credential is missing, malformed, unknown, expired or revoked.

        """
        ...

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal in the vendor's error body; also for 404 routes, 405 and crashes."""
        ...

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Derive the vendor's ids of a flow; ``fixed`` ones are kept.

        Raises:
            ValueError: a fixed id is not of the vendor's shape, or of no name the vendor has.

        """
        ...

    def run_ids(self, run: Mapping[str, Any]) -> Mapping[str, Any]:
        """Name the vendor's ids of a run: pure functions of its facts (`RunFacts`)."""
        ...
