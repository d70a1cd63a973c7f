"""A load generator that costs little: connections that each send one request again and again."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)


@dataclass
class Measured:
    """What a round came to; latencies in seconds."""

    elapsed_s: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def per_s(self) -> float:
        return len(self.latencies) / self.elapsed_s

    def quantile(self, q: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * q), len(ordered) - 1)]

    def __str__(self) -> str:
        return (
            f"{self.per_s:9.0f}/s  p50 {self.quantile(0.5) * 1000:6.1f} ms"
            f"  p99 {self.quantile(0.99) * 1000:6.1f} ms  errors {self.errors}"
        )


class _Connection(asyncio.Protocol):
    def __init__(self, request: bytes, until: float, measured: Measured) -> None:
        self._request = request
        self._until = until
        self._measured = measured
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head + 2)
        assert length is not None, self._buffer[:200]
        if len(self._buffer) < head + 4 + int(length[1]):
            return
        now = time.perf_counter()
        self._measured.latencies.append(now - self._sent)
        self._measured.errors += not self._buffer.startswith(b"HTTP/1.1 2")
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def request(
    method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: ledger"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def measure(port: int, sent: bytes, *, connections: int, seconds: float) -> Measured:
    """Send one request over so many connections for so long."""
    measured = Measured()
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        await loop.create_connection(
            lambda: _Connection(sent, began + seconds, measured), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    measured.elapsed_s = time.perf_counter() - began
    return measured
