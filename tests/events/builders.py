"""Builds events and requests for tests, and runs tasks beside a test."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from events.codec import encode
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend


def event(type_: str = "RunStarted", event_id: str | None = None, **body: Any) -> NewEvent:
    return NewEvent(event_id or str(uuid.uuid4()), type_, encode(body), "somebody")


def request(
    stream: str = "a",
    expected: int = ExpectedVersion.ANY,
    events: int = 1,
    *,
    tenant: str = "t",
    key: str = "",
    fingerprint: bytes = b"print",
    **body: Any,
) -> AppendRequest:
    """So many new events for one stream."""
    part = StreamAppend(stream, expected, tuple(event(**body) for _ in range(events)))
    return AppendRequest(tenant, (part,), key, fingerprint if key else b"")


@contextlib.asynccontextmanager
async def running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run these beside the test; what fails there ends the test and fails it."""
    test = asyncio.current_task()

    def end_test(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            test.cancel()

    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(end_test)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
