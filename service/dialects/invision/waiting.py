"""Keeps a response open until a run ends: proxies do not cut it, and clients may disconnect."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import orjson
from aiohttp import ClientConnectionResetError, web

from service.http.messages import json_response

KEEPALIVE_S: Final = 20.0
"""How often a space is sent: proxies cut a connection that is silent for a minute."""

CLIENT_CHECK_S: Final = 1.0
"""How often to check that the client is still connected, between two spaces."""


async def answer_at_end(
    request: web.Request,
    ending: Coroutine[Any, Any, Mapping[str, Any]],
    *,
    headers: Mapping[str, str],
    keepalive_s: float = KEEPALIVE_S,
) -> web.StreamResponse:
    """Answer 200 with the result of ``ending``; until then send a space each ``keepalive_s``.

    JSON allows white space before a value (RFC 8259, 2). A client that disconnects ends only this
    wait, within `CLIENT_CHECK_S`; the run does not depend on it.
    """
    task = asyncio.create_task(ending)
    try:
        await _wait(request, task, keepalive_s)
        if task.done():
            return json_response(task.result(), headers=headers)
        return await _stream(request, task, headers=headers, keepalive_s=keepalive_s)
    finally:
        task.cancel()


async def _wait(
    request: web.Request, task: asyncio.Task[Mapping[str, Any]], keepalive_s: float
) -> None:
    """Wait for the end, the next keep-alive, or the client to disconnect."""
    left_s = keepalive_s
    while left_s > 0 and not task.done() and request.transport is not None:
        await asyncio.wait({task}, timeout=min(left_s, CLIENT_CHECK_S))
        left_s -= CLIENT_CHECK_S


async def _stream(
    request: web.Request,
    task: asyncio.Task[Mapping[str, Any]],
    *,
    headers: Mapping[str, str],
    keepalive_s: float,
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={**headers, "Content-Type": "application/json", "Cache-Control": "no-store"}
    )
    try:
        await response.prepare(request)
        while not task.done():
            await response.write(b" ")  # raises if the client has disconnected
            await _wait(request, task, keepalive_s)
        await response.write(orjson.dumps(task.result()))
        await response.write_eof()
    except ClientConnectionResetError:
        pass  # The client disconnected; the run goes on.
    except BaseException:
        # The response has begun: only an aborted connection tells the client that it is incomplete.
        if request.transport is not None:
            request.transport.abort()
        raise
    return response
