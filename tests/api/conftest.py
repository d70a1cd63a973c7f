"""One real server for all tests of /v1, and a client of it."""

from __future__ import annotations

import pytest

from tests import postgres
from tests.dialects.serving import TENANT, serving
from tests.dialects.suite import Call

MORE_KEYS = {
    "administrator": (TENANT, "administrator"),
    "editor": (TENANT, "editor"),
    "executer": (TENANT, "executer"),
    "administrator of all": ("*", "administrator"),
}


class Client:
    """Asks /v1 of a server; ``key`` names whose credential is shown."""

    def __init__(self, server):
        self.server = server

    def ask(self, method, target, body=None, *, key="operator", **headers):
        call = Call(method, target).having(
            Authorization=f"Bearer {self.server.keys[key].token}", **headers
        )
        return self.server.ask(call if body is None else call.sending(body))

    def get(self, target, **more):
        answer = self.ask("GET", target, **more)
        assert answer.status == 200, answer.body
        return answer.json

    def start(self, flow="suite.ORDERS", payload=None, **body):
        answer = self.ask("POST", "/v1/runs", {"flow": flow, "payload": payload or {}, **body})
        assert answer.status == 201, answer.body
        return answer.json

    def report(self, run, *events, **more):
        return self.ask("POST", f"/v1/runs/{run['run_id']}/events", {"events": events}, **more)

    def results(self, run, *events):
        answer = self.report(run, *events)
        assert answer.status == 200, answer.body
        return answer.json["results"]

    def events_of(self, run):
        return self.get(f"/v1/runs/{run['run_id']}/events")["events"]


@pytest.fixture(scope="session")
def server(postgres_run, template_database):
    with (
        postgres.fresh_database(postgres_run, template_database) as url,
        serving(url) as server,
    ):
        for name, (tenant, role) in MORE_KEYS.items():
            made = server.service.credentials.create(tenant=tenant, role=role, name=name)
            server.keys[name] = server.run(made)
        yield server


@pytest.fixture(scope="session")
def api(server):
    return Client(server)


@pytest.fixture(scope="session")
def problem():
    """Check that an answer is a problem of a status; gives its type's last word."""

    def check(answer, status):
        assert answer.status == status, answer.body
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        body = answer.json
        assert body["status"] == status
        assert body.keys() >= {"type", "title", "status", "detail", "instance"}
        return body["type"].removeprefix("urn:flowledger:problem:")

    return check


@pytest.fixture
def untouched(server):
    """Nothing is written while the test runs."""
    head = server.head()
    yield
    assert server.head() == head


@pytest.fixture
def idle(server, api):
    """An ended run of a flow of which none is open, nor is afterwards."""
    run = api.start("suite.IDLE")
    server.cancel(run, force=True)
    yield run
    server.cancel(server.newest("suite.IDLE"), force=True)
