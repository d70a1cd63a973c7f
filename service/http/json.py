"""JSON in and out of the front doors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from events import codec
from service.errors import BadRequest, TooLarge

BODY_S: Final = 60.0
"""Seconds that a body may take to arrive; who sends slower would hold a connection for ever."""


def json_response(
    value: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> web.Response:
    """Answer with a value as JSON in UTF-8."""
    return web.Response(
        body=orjson.dumps(value), status=status, headers=headers, content_type=content_type
    )


async def read_json(request: web.Request, max_bytes: int | None = None) -> Any:  # noqa: ANN401 - any JSON value
    """Read the body as JSON that the ledger can keep without loss.

    Raises:
        TooLarge: the body has more than ``max_bytes``.
        BadRequest: the body is no such JSON, or cannot be read.
    """
    raw = await read_body(request)
    if max_bytes is not None and len(raw) > max_bytes:
        raise TooLarge(f"the body is larger than {max_bytes} bytes")
    if not raw:
        raise BadRequest("the body is empty; send JSON")
    return codec.parse(raw)


async def read_body(request: web.Request) -> bytes:
    """Read the body whole, bounded by FLOWLEDGER_MAX_BODY and `BODY_S`.

    Raises:
        BadRequest: it does not decompress, ends too early, or does not arrive in time.
    """
    try:
        if request.content.is_eof():
            return await request.read()
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError as error:
        raise BadRequest(f"the body did not arrive within {BODY_S:g} s; send it again") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise BadRequest("the body cannot be read: it is cut short or badly encoded") from error
