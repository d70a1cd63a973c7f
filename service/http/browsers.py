"""What concerns browsers alone: which hosts and pages of other sites are let in.

A page of any site can make a browser send requests here, with a Basic credential that the browser
remembers; and a name that points here today and elsewhere tomorrow makes such a page ours (DNS
rebinding). Programs send neither `Origin` nor `Sec-Fetch-Site`, and notice nothing of this.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from service.access import Right
from service.errors import Forbidden, UnknownHost

ANY: Final = "*"
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_READING: Final = (None, Right.READ, Right.AUDIT)
_ALWAYS_SERVED: Final = "/health/"
_EXPOSED: Final = (
    "ETag, Flowledger-Position, Flowledger-Next-Cursor, Idempotency-Replayed, Link, Location,"
    " Retry-After, X-Request-Id"
)
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_PREFLIGHT_AGE_S: Final = 600


class BrowserRules:
    """Which hosts are served, and which other sites' pages may use the APIs.

    ``hosts`` empty: all; ``origins``: such as ``https://console.example.com``, or ``*`` for all.
    """

    def __init__(self, *, hosts: frozenset[str], origins: frozenset[str]) -> None:
        self.guards_hosts = bool(hosts)
        """Whether each request must be checked, a program's too."""
        self._hosts = hosts
        self._origins = origins

    def check(self, request: web.Request, right: Right | None) -> None:
        """Refuse a host that is not served, and a change that a page of another site sends.

        Raises:
            UnknownHost: the request is for a host that is not among those served.
            Forbidden: a page of another site sends something else than a read.
        """
        if self._hosts and not request.path.startswith(_ALWAYS_SERVED):
            name = urlsplit(f"//{request.host}").hostname
            if name not in self._hosts:
                raise UnknownHost
        if request.method in _SAFE and right in _READING:
            return
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        is_foreign = site == "cross-site" if origin is None else not self._is_ours(request, origin)
        if is_foreign and not self._is_allowed(origin):
            raise Forbidden(
                "a page of another site sent this; an operator may allow that site by"
                " FLOWLEDGER_ALLOWED_ORIGINS"
            )

    def is_preflight(self, request: web.Request) -> bool:
        """Tell whether an allowed page asks if it may send a request.

        Source: Fetch standard, CORS-preflight request.
        """
        return (
            request.method == "OPTIONS"
            and "Access-Control-Request-Method" in request.headers
            and self._is_allowed(request.headers.get("Origin"))
        )

    def share(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the page of an allowed site read an answer, and send what it has asked about."""
        origin = request.headers.get("Origin")
        if origin is None or not self._is_allowed(origin) or response.prepared:
            return
        headers = response.headers
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = _EXPOSED
        headers.add("Vary", "Origin")
        if self.is_preflight(request):
            wanted = request.headers.get("Access-Control-Request-Headers", "")
            headers["Access-Control-Allow-Methods"] = _METHODS
            headers["Access-Control-Allow-Headers"] = wanted
            headers["Access-Control-Max-Age"] = str(_PREFLIGHT_AGE_S)

    def _is_allowed(self, origin: str | None) -> bool:
        return origin is not None and (ANY in self._origins or origin in self._origins)

    @staticmethod
    def _is_ours(request: web.Request, origin: str) -> bool:
        # Not the scheme: behind a proxy that ends TLS it is another one here.
        return urlsplit(origin).netloc == request.host
