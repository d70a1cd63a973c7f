"""Connections of clients: bounds on their number, on request heads, and on waiting for them.

aiohttp bounds each line of a head and the idle time of a connection, and answers what it cannot
parse in plain text. Here a head is bounded as a whole, in bytes and in time, each address may have
only so many connections, and what is malformed is answered in the words of the API whose path it
names.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast
from urllib.parse import quote

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from yarl import URL

from service.errors import BadRequest, HeadTooLarge, HeadTooSlow, ServiceError
from service.metrics.requests import ConnectionCounts

MAX_HEAD_BYTES: Final = 64 * 1024
"""Bytes of a request line with all headers."""

MAX_LINE_BYTES: Final = 32 * 1024
"""Bytes of a request line, and of each header."""

MAX_AHEAD_BYTES: Final = 512 * 1024
"""Bytes of further requests that a client may send while one is being answered."""

HEAD_TIMEOUT_S: Final = 10.0
"""Seconds from the first byte of a head to its end."""

MALFORMED: Final[web.RequestKey[ServiceError]] = web.RequestKey("malformed", ServiceError)
"""Why a request is refused before it reaches a route."""

_REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 10\r\n"
    b"Connection: close\r\n\r\n"
)
_TARGET: Final = re.compile(rb"[^\s]+ (?:https?://[^/\s]*)?(/[^\s]*)")
_UNKNOWN_METHOD: Final = "UNKNOWN"


class Runner(web.AppRunner):
    """Serves an application over bounded connections; other arguments are those of `AppRunner`."""

    __slots__ = ("_counts", "_options")

    def __init__(
        self,
        application: web.Application,
        counts: ConnectionCounts,
        *,
        access_log: Any = None,  # noqa: ANN401 - a logger, or None
        **options: Any,  # noqa: ANN401 - of `RequestHandler`
    ) -> None:
        self._counts = counts
        self._options = {
            "access_log": access_log,
            "auto_decompress": False,  # `read_body` does it, within bounds and for callers it knows
            "max_line_size": MAX_LINE_BYTES,
            "max_field_size": MAX_LINE_BYTES,
            **options,
        }
        super().__init__(application, **self._options)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        options = {k: v for k, v in self._options.items() if k != "shutdown_timeout"}
        return _Server(
            self._counts, made.request_handler, request_factory=made.request_factory, **options
        )


class _Server(web.Server):
    def __init__(self, counts: ConnectionCounts, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.counts = counts

    def __call__(self) -> RequestHandler:
        return _Connection(self, self._kwargs)


class _Connection(RequestHandler):
    """One connection. A head is being read while aiohttp waits for a request."""

    __slots__ = (
        "_address",
        "_ahead_bytes",
        "_ahead_of",
        "_counts",
        "_cut",
        "_first",
        "_head_bytes",
        "_timer",
    )

    def __init__(self, server: _Server, options: dict[str, Any]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._counts = server.counts
        self._address: str | None = None
        self._first: bytes = b""
        self._head_bytes = 0
        self._ahead_bytes = 0
        self._ahead_of: web.BaseRequest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cut = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        if self._counts.admit(address):
            self._address = address
            super().connection_made(transport)
            return
        self._manager = None  # it was never told of this connection
        stream = cast("asyncio.Transport", transport)
        stream.write(_REFUSAL)
        stream.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        if self._address is not None:
            self._counts.release(self._address)
            self._address = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._cut or self._manager is None:
            return
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._receive_ahead(data)
            return
        if not data:  # aiohttp asks its parser for what it holds back: no head has begun by that
            super().data_received(data)
            return
        if not self._head_bytes:
            self._first = data
        self._head_bytes += len(data)
        super().data_received(data)
        if waiter.done():
            self._end_head()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._cut_head(HeadTooLarge(MAX_HEAD_BYTES))
        elif self._timer is None:
            self._timer = self._loop.call_later(
                HEAD_TIMEOUT_S, self._cut_head, HeadTooSlow(HEAD_TIMEOUT_S)
            )

    def _receive_ahead(self, data: bytes) -> None:
        """Take a part of a body, or of requests behind the one that is being answered."""
        request = self._current_request
        if request is not None and request.content.is_eof():
            if request is not self._ahead_of:  # the ones before are answered: count anew
                self._ahead_of, self._ahead_bytes = request, 0
            self._ahead_bytes += len(data)
            if self._ahead_bytes > MAX_AHEAD_BYTES:
                self._counts.cut += 1
                self.force_close()
                return
        super().data_received(data)

    def _end_head(self) -> None:
        """Look at the request, or the error, that a complete head has given."""
        self._stop_timer()
        message, payload = self._messages[-1]
        if isinstance(message, _ErrInfo):
            self._messages[-1] = (_refused(_error_of(message.exc)), payload)
            return  # with the first bytes, which name the path
        if self._head_bytes > MAX_HEAD_BYTES and _size(message) > MAX_HEAD_BYTES:
            self._messages[-1] = (_refused(HeadTooLarge(MAX_HEAD_BYTES)), payload)
            return
        self._first, self._head_bytes, self._ahead_of = b"", 0, None

    def _cut_head(self, error: ServiceError) -> None:
        """Answer a head that has no end, and read no more."""
        self._stop_timer()
        self._cut = True
        self._counts.cut += 1
        self._messages.append((_refused(error), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_error_handler(
        self, err_info: _ErrInfo
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        target, error = _target(self._first), _error_of(err_info.exc)
        answer = self._request_handler

        async def refuse(request: web.BaseRequest) -> web.StreamResponse:
            assert answer is not None  # noqa: S101 - the connection is open
            named = request.clone(method=_UNKNOWN_METHOD, rel_url=URL(target, encoded=True))
            named[MALFORMED] = error
            response = await answer(named)
            response.force_close()
            return response

        return refuse


def _refused(error: ServiceError) -> _ErrInfo:
    return _ErrInfo(status=error.status, exc=error, message=error.detail)


def _error_of(error: BaseException) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, LineTooLong):
        return HeadTooLarge(MAX_LINE_BYTES)
    if isinstance(error, HttpProcessingError):
        # Its text shows the bytes in question on further lines.
        return BadRequest(f"this is not HTTP: {error.message.strip().splitlines()[0]}")
    return BadRequest("this is not HTTP")


def _size(message: RawRequestMessage) -> int:
    headers = sum(len(name) + len(value) + 4 for name, value in message.raw_headers)
    return len(message.path) + headers


def _target(first: bytes) -> str:
    """Find the path that the first bytes of a request name; ``/`` if they name none.

    >>> _target(b"GET /api/workflows/x HTTP/1.1")
    '/api/workflows/x'
    >>> _target(b"nonsense")
    '/'
    """
    found = _TARGET.match(first[:MAX_LINE_BYTES])
    return quote(found[1].split(b"?")[0], safe="/%:@!$&'()*+,;=~") if found else "/"
