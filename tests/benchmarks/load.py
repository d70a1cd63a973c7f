"""A load generator that costs little: connections that each send a request again and again.

The load is closed: a connection sends its next request when the last is answered. A server that
closes a connection gets a new one, as a client's pool would see to; an answer that was due then is
an error.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

PATIENCE_S = 30.0
"""How long the last answers may take; who waits longer has an error to look at, not a figure."""

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
_UNCHANGED = b"HTTP/1.1 304"  # it has no body, and says no length
_CLOSES = re.compile(rb"\r\nConnection: close", re.IGNORECASE)


@dataclass
class Measured:
    """What a round came to; latencies in seconds, of what was sent in its time.

    ``answered`` counts the answers that came in its time, where those are others: of many callers
    some have sent before, and some get theirs when the load has ended.
    """

    elapsed_s: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    answered: int | None = None

    @property
    def per_s(self) -> float:
        answered = len(self.latencies) if self.answered is None else self.answered
        return answered / self.elapsed_s

    def quantile(self, q: float) -> float:
        return quantile(self.latencies, q)

    def __str__(self) -> str:
        return (
            f"{self.per_s:9.0f}/s  p50 {self.quantile(0.5) * 1000:6.1f} ms"
            f"  p99 {self.quantile(0.99) * 1000:6.1f} ms  errors {self.errors}"
        )


def quantile(values: Iterable[float], q: float) -> float:
    """The value that a share ``q`` of the values lies below; of none: 0."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * q), len(ordered) - 1)] if ordered else 0.0


class _Connection(asyncio.Protocol):
    """One connection, and those that follow where the server closes it."""

    def __init__(self, port: int, requests: Iterator[bytes], span: _Span) -> None:
        self._port = port
        self._requests = requests
        self._span = span
        self._buffer = b""
        self._sent = 0.0
        self._due = False
        self._connecting: asyncio.Task[None] | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        except OSError as error:
            self.done.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None)
        self._due = request is not None
        if request is None:
            self._finish()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def _finish(self) -> None:
        self._transport.close()
        if not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        unchanged = self._buffer.startswith(_UNCHANGED)
        length = _LENGTH.search(self._buffer, 0, head + 2)
        assert length is not None or unchanged, self._buffer[:200]
        if length is not None and len(self._buffer) < head + 4 + int(length[1]):
            return
        self._due = False
        now = time.perf_counter()
        self._span.took(self._sent, now, good=unchanged or self._buffer.startswith(b"HTTP/1.1 2"))
        closes = _CLOSES.search(self._buffer, 0, head + 2)
        self._buffer = b""
        if now >= self._span.until:
            self._finish()
        elif not closes:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done.done():
            return
        if self._due:
            self._span.took(self._sent, now := time.perf_counter(), good=False)
            self._buffer = b""
            if now >= self._span.until:
                self._finish()
                return
        self._connecting = asyncio.get_running_loop().create_task(self.connect())


@dataclass
class _Span:
    """The time that counts: what was answered before it only warms up."""

    since: float
    until: float
    measured: Measured = field(default_factory=lambda: Measured(answered=0))

    def took(self, sent: float, now: float, *, good: bool) -> None:
        measured = self.measured
        if sent >= self.since:
            measured.latencies.append(now - sent)
            measured.errors += not good
        if self.since <= now <= self.until:
            measured.answered += 1
        # It is over before its end where there was no more to send.
        measured.elapsed_s = min(now, self.until) - self.since


def request(
    method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: ledger"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    elif method == "POST":
        lines += ["Content-Length: 0"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def measure(
    port: int,
    sent: bytes | Iterable[bytes],
    *,
    connections: int,
    seconds: float,
    warm_s: float = 0.0,
) -> Measured:
    """Send one request again and again, or others in turn, over connections for so long."""
    requests = itertools.repeat(sent) if isinstance(sent, bytes) else iter(sent)
    began = time.perf_counter() + warm_s
    span = _Span(began, began + seconds)
    made = [_Connection(port, requests, span) for _ in range(connections)]
    async with asyncio.timeout(warm_s + seconds + PATIENCE_S):
        await asyncio.gather(*(each.connect() for each in made))
        await asyncio.gather(*(each.done for each in made))
    return span.measured
