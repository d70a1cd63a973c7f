"""Director's routes without a credential, where they are opened: FLOWLEDGER_DIRECTOR_OPEN."""

from __future__ import annotations

import http.client
from dataclasses import replace

import pytest
from aiohttp import web

from service import app
from service.http.connections import Runner
from service.metrics.requests import ConnectionCounts
from service.settings import OpenAccess
from tests.dialects.suite import Answer, Call, vendor


class Opened:
    """The same service behind another door."""

    def __init__(self, server, role):
        self.server = server
        settings = replace(server.service.settings, director_open=OpenAccess("default", role))
        opened = replace(server.service, settings=settings)
        self.runner = Runner(app.build_app(opened), ConnectionCounts(), shutdown_timeout=1)
        self.port = server.run(self._listen())

    async def _listen(self):
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return self.runner.addresses[0][1]

    def ask(self, call):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(call.method, call.target, call.body, dict(call.headers))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def close(self):
        self.server.run(self.runner.cleanup())


@pytest.fixture
def opened(server):
    doors = []

    def open_for(role):
        doors.append(Opened(server, role))
        return doors[-1]

    yield open_for
    for door in doors:
        door.close()


START = Call("POST", "/api/workflows").sending(
    {"project": "suite", "name": "ORDERS", "payload": {}}
)


def test_call_without_a_credential_has_the_configured_tenant_and_role(opened, server):
    door = opened("operator")
    started = door.ask(START)
    assert started.status == 201
    assert door.ask(Call("GET", f"/api/workflows/{started.json['id']}")).status == 200
    run = server.own("GET", f"/v1/runs/{started.json['id']}").json
    assert (run["tenant"], run["started_by"]) == ("default", "anonymous")


def test_configured_role_limits_what_is_allowed(opened):
    door = opened("viewer")
    assert door.ask(Call("GET", "/api/workflows")).status == 200
    assert door.ask(START).status == 403


def test_unknown_credential_counts_as_none(opened, server):
    call = vendor("director").sign(Call("GET", "/api/workflows"), server.unknown_key)
    assert opened("viewer").ask(call).status == 200


def test_known_credential_still_counts(opened, server):
    call = vendor("director").sign(Call("GET", "/api/definitions"), server.keys["stranger"])
    assert opened("viewer").ask(call).json == []


def test_other_vendors_routes_still_require_a_credential(opened, server):
    door = opened("administrator")
    assert door.ask(Call("GET", "/v1/runs")).status == 401
