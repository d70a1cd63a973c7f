"""Keeps an answer open for hours, so that proxies do not cut it and clients may hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import orjson
from aiohttp import ClientConnectionResetError, web

from service.http.messages import json_response

PULSE_S: Final = 20.0
"""How often a space is sent: below the minute after which proxies cut what is silent."""

LOOK_S: Final = 1.0
"""How often it is looked whether the client is still there: a space tells only when it is sent."""


async def answer_at_end(
    request: web.Request,
    ending: Coroutine[Any, Any, Mapping[str, Any]],
    *,
    headers: Mapping[str, str],
    pulse_s: float = PULSE_S,
) -> web.StreamResponse:
    """Answer 200 with what ``ending`` comes to; a space goes ahead each ``pulse_s`` until then.

    JSON allows white space before a value (RFC 8259, 2). A client that hangs up ends its waiting
    alone, within `LOOK_S`: what it waits for does not depend on it.
    """
    task = asyncio.create_task(ending)
    try:
        await _wait(request, task, pulse_s)
        if task.done():
            return json_response(task.result(), headers=headers)
        return await _stream(request, task, headers=headers, pulse_s=pulse_s)
    finally:
        task.cancel()


async def _wait(
    request: web.Request, task: asyncio.Task[Mapping[str, Any]], pulse_s: float
) -> None:
    """Wait for the end, for the next pulse, or until the client has gone."""
    left_s = pulse_s
    while left_s > 0 and not task.done() and request.transport is not None:
        await asyncio.wait({task}, timeout=min(left_s, LOOK_S))
        left_s -= LOOK_S


async def _stream(
    request: web.Request,
    task: asyncio.Task[Mapping[str, Any]],
    *,
    headers: Mapping[str, str],
    pulse_s: float,
) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Type": "application/json"})
    try:
        await response.prepare(request)
        while not task.done():
            await response.write(b" ")  # raises where the client has gone
            await _wait(request, task, pulse_s)
        await response.write(orjson.dumps(task.result()))
        await response.write_eof()
    except ClientConnectionResetError:
        pass  # The client hung up; the run goes on, and nobody is left to answer.
    except BaseException:
        # A part of the answer is out: only a cut connection says that it is not the whole.
        if request.transport is not None:
            request.transport.abort()
        raise
    return response
