"""The contract of a dialect: one vendor's API as a translation, with no state and no SQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from service.auth.principal import Principal, Right

if TYPE_CHECKING:
    from service.auth.credentials import Credentials
    from service.errors import ServiceError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: ``path`` in aiohttp's syntax; ``right`` None is open to all."""

    method: str
    path: str
    handler: Handler
    right: Right | None = Right.READ


@dataclass(frozen=True, slots=True)
class FlowIdentity:
    """What a vendor's id of a flow may be made from; ``number`` is unique in the tenant."""

    tenant: str
    fullname: str
    number: int


class Dialect(Protocol):
    """One vendor's API. Each dialect package exposes an instance named ``DIALECT``."""

    name: str
    """The vendor's name: the folder, the key in ``vendor_ids``, the source of what it starts."""

    def routes(self) -> Sequence[Route]:
        """List what is served; paths do not clash with any other dialect's."""
        ...

    def claims(self, path: str) -> bool:
        """Tell whether an unknown path is this vendor's to answer with its own 404."""
        ...

    async def authenticate(self, request: web.Request, credentials: Credentials) -> Principal:
        """Name who asks, by the vendor's way to present a credential.

        Raises:
            Unauthenticated: the credential is missing, malformed, unknown, expired or revoked.

        """
        ...

    def error(self, request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal in the vendor's error body; also for 404 routes, 405 and crashes."""
        ...

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settle the vendor's ids of a flow; ``fixed`` are a customer's existing ones and win.

        Raises:
            ValueError: a fixed id is not of the vendor's shape, or of no name the vendor has.

        """
        ...

    def run_ids(self, run: Mapping[str, Any]) -> Mapping[str, Any]:
        """Name the vendor's ids of a run: pure functions of its facts (`RunFacts`)."""
        ...
