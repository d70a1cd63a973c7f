"""The limit: an aiohttp server that parses what it gets and answers. Run: python bare.py PORT."""

from __future__ import annotations

import sys

import orjson
import uvloop
from aiohttp import web

ANSWER = orjson.dumps({"run_id": "0" * 36, "status": "queued", "payload": {"n": 1}})


async def read(request: web.Request) -> web.Response:
    return web.Response(body=ANSWER, content_type="application/json")


async def write(request: web.Request) -> web.Response:
    orjson.loads(await request.read())
    return web.Response(body=ANSWER, content_type="application/json", status=201)


def main() -> None:
    application = web.Application()
    application.add_routes([web.get("/runs/{id}", read), web.post("/runs", write)])
    uvloop.install()
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
