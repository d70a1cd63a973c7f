"""The limit: an aiohttp server that parses what it gets and answers. Run: python bare.py PORT."""

from __future__ import annotations

import sys

import orjson
import uvloop
from aiohttp import web

RUN = {"run_id": "0" * 36, "status": "queued", "payload": {"n": 1}}
ANSWER = orjson.dumps(RUN)
# Fifty rows as long as ours: a list of 50 workflows takes 20 KiB.
PAGE = orjson.dumps([{**RUN, "text": "x" * 300}] * 50)


async def read(request: web.Request) -> web.Response:
    return web.Response(body=ANSWER, content_type="application/json")


async def listed(request: web.Request) -> web.Response:
    return web.Response(body=PAGE, content_type="application/json")


async def write(request: web.Request) -> web.Response:
    body = await request.read()
    if body:
        orjson.loads(body)
    return web.Response(body=ANSWER, content_type="application/json", status=201)


def main() -> None:
    application = web.Application()
    application.add_routes(
        [
            web.get("/runs", listed),
            web.get("/runs/{id}", read),
            web.post("/runs", write),
            web.post("/runs/{id}/cancel", write),
        ]
    )
    uvloop.install()
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
