"""Keeps an answer open for hours, so that proxies do not cut it and clients may hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import orjson
from aiohttp import ClientConnectionResetError, web

from service.http.json import json_response

PULSE_S: Final = 20.0


async def answer_at_end(
    request: web.Request,
    ending: Coroutine[Any, Any, Mapping[str, Any]],
    *,
    headers: Mapping[str, str],
    pulse_s: float = PULSE_S,
) -> web.StreamResponse:
    """Answer 200 with what ``ending`` comes to; a space goes ahead each ``pulse_s`` until then.

    JSON allows white space before a value (RFC 8259, 2). A client that hangs up ends its waiting
    alone: what it waits for does not depend on it.
    """
    task = asyncio.create_task(ending)
    try:
        done, _ = await asyncio.wait({task}, timeout=pulse_s)
        if done:
            return json_response(task.result(), headers=headers)
        return await _stream(request, task, headers=headers, pulse_s=pulse_s)
    finally:
        task.cancel()


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
        await _pulse(response, task, pulse_s)
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


async def _pulse(
    response: web.StreamResponse, task: asyncio.Task[Mapping[str, Any]], pulse_s: float
) -> None:
    while not task.done():
        await response.write(b" ")
        await asyncio.wait({task}, timeout=pulse_s)
