"""What is measured over HTTP: a server, and the requests that each operation is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

PAYLOAD = {"n": 1}
PER_PAGE = 50
DEEP = 2_000
"""The page that lies 100,000 runs deep."""

Sent = bytes | Iterable[bytes]
"""One request, sent again and again, or requests that are sent in turn, as far as they go."""


@dataclass(frozen=True)
class Subject:
    """A server at work; an operation that it does not offer is not in ``operations``."""

    name: str
    port: int
    pid: int
    operations: Mapping[str, Callable[[int], Awaitable[Sent]]]
    """Given how many requests may be needed, what to send; makes whatever that needs."""


def always(request: bytes) -> Callable[[int], Awaitable[Sent]]:
    """An operation whose request is the same each time."""

    async def sent(_count: int) -> Sent:
        return request

    return sent
