"""aiohttp's test server, over the connections that the service has."""

from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from service.http.connections import Runner
from service.metrics.requests import ConnectionCounts


class BoundedTestServer(TestServer):
    """Serves an application; `counts` is where its connections are counted."""

    def __init__(self, application: web.Application, most_per_address: int = 0) -> None:
        super().__init__(application)
        self.counts = ConnectionCounts(most_per_address)

    async def _make_runner(self, **options: Any) -> web.BaseRunner:
        return Runner(self.app, self.counts, **options)
