"""A real server for the dialects' tests, and a client that writes requests as it is told."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import threading
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

from aiohttp import web

from service import app, lifecycle
from service.access import Origin
from service.flows.definitions import load_definitions
from service.flows.registration import register
from service.http.connections import Runner
from service.metrics.requests import ConnectionCounts
from service.runtime import SERVICE, ProcessRole
from service.settings import Settings
from tests.dialects.suite import DIALECTS, Answer, Call

FLOWS = Path(__file__).parent / "flows.yaml"
TENANT = "default"
KEYS = {
    "operator": (TENANT, "operator"),
    "viewer": (TENANT, "viewer"),
    "auditor": (TENANT, "auditor"),
    "stranger": ("elsewhere", "administrator"),
    "auditor of all": ("*", "auditor"),
}
STARTED = ("TaskStarted", "BOTH/ORDERS", {})
STEPS = {
    "queued": [],
    "running": [STARTED],
    "failing": [
        STARTED,
        ("TaskStarted", "BOTH/ITEMS", {}),
        ("TaskFailed", "BOTH/ORDERS", {"exception": "no such table: ordrs"}),
    ],
    "cancelling": [STARTED],
    "succeeded": [STARTED, ("RunSucceeded", None, {})],
    "warned": [STARTED, ("RunWarned", None, {"warnings": ["3 rows had no price"]})],
    "failed": [
        STARTED,
        (
            "TaskFailed",
            "BOTH/ORDERS",
            {
                "exception": "no such table: ordrs",
                "statement": "insert into stage_orders\nselect *\nfrom ordrs",
                "line": 3,
                "log": "read 120 rows\n",
            },
        ),
        ("RunFailed", None, {}),
    ],
    "cancelled": [STARTED],
}


class Server:
    """A service on a free port, in a thread and a loop of its own."""

    def __init__(self, service, run, ports, keys):
        self.service = service
        self.run = run
        self.ports = ports
        self.keys = keys
        self.unknown_key = SimpleNamespace(
            token=secrets.token_urlsafe(32),
            username="nobody",
            password="nothing",
            access_key="NOBODY",
            secret_key="nothing",
        )
        self.garbled_key = SimpleNamespace(
            token="\xff\xfe",
            username="\xff",
            password="\xfe",
            access_key="\xff\xfe",
            secret_key="\xff",
        )

    def head(self):
        return self.run(self.service.log.head())

    def ask(self, call, *, broken=False):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[broken], timeout=30)
        try:
            connection.request(call.method, call.target, body=call.body, headers=dict(call.headers))
            response = connection.getresponse()
            assert "Cache-Control" in response.headers, call
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def settle(self, tenant, role="administrator", flows=FLOWS):
        """Give another tenant the flows of the suite, and a key, which is named as the tenant."""
        self.run(_register(self.service, tenant, flows))
        making = self.service.credentials.create(tenant=tenant, role=role, name=tenant)
        self.keys[tenant] = self.run(making)

    def own(self, method, target, body=None, *, key="operator"):
        call = Call(method, target).having(Authorization=f"Bearer {self.keys[key].token}")
        return self.ask(call if body is None else call.sending(body))

    def begin(self, flow, payload, *, key="operator"):
        answer = self.own("POST", "/v1/runs", {"flow": flow, "payload": payload}, key=key)
        assert answer.status == 201, answer.body
        return answer.json

    def report(self, run, facts):
        events = [
            {"event_id": str(uuid4()), "type": kind, "data": data}
            | ({} if task is None else {"task": task})
            for kind, task, data in facts
        ]
        answer = self.own("POST", f"/v1/runs/{run['run_id']}/events", {"events": events})
        assert answer.status == 200, answer.body
        return answer.json["results"]

    def cancel(self, run, *, force=False):
        return self.own("POST", f"/v1/runs/{run['run_id']}/cancel", {"force": force})

    def retry(self, run):
        return self.own("POST", f"/v1/runs/{run['run_id']}/retry").json

    def read(self, run):
        return self.own("GET", f"/v1/runs/{run['run_id']}").json

    def newest(self, flow):
        return self.own("GET", f"/v1/runs?flow={flow}&limit=1").json["runs"][0]

    def brought_to(self, state):
        run = self.begin("suite.ORDERS", {})
        if STEPS[state]:
            results = self.report(run, STEPS[state])
            assert {result["outcome"] for result in results} == {"recorded"}, results
        if state in {"cancelling", "cancelled"}:
            assert self.cancel(run, force=state == "cancelled").status == 200
        return self.read(run)


@contextmanager
def serving(url):
    """Serve the flows of the suite on a migrated database."""
    with _looping() as run:
        stack = AsyncExitStack()
        try:
            yield run(_open(stack, url, run))
        finally:
            run(stack.aclose())


@contextmanager
def _looping():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _open(stack, url, run):
    settings = Settings(database_url=url, secret_key=secrets.token_bytes(32), grace_s=0)
    parts = {ProcessRole.API, ProcessRole.PROJECT}
    service = await stack.enter_async_context(app.compose(settings, parts))
    own, *_ = service.dialects
    service.dialects = (own, *DIALECTS.values())
    doors = AsyncExitStack()
    stack.push_async_callback(lifecycle.stop, service, doors.aclose)
    await lifecycle.start(service)
    await _register(service)
    application = app.build_app(service)
    # The door still knows who asks; what handlers reach for is gone.
    broken = app.build_app(service)
    broken[SERVICE] = replace(service, queries=None, catalogue=None, writer=None, credentials=None)
    ports = {False: await _port(doors, application), True: await _port(doors, broken)}
    return Server(service, run, ports, await _keys(service))


async def _register(service, tenant=TENANT, flows=FLOWS):
    await register(
        service.log,
        service.catalogue,
        tenant=tenant,
        definitions=load_definitions(flows),
        dialects=service.dialects,
        origin=Origin(actor="suite", source="cli"),
    )


async def _keys(service):
    return {
        name: await service.credentials.create(tenant=tenant, role=role, name=name)
        for name, (tenant, role) in KEYS.items()
    }


async def _port(doors, application):
    runner = Runner(application, ConnectionCounts(), shutdown_timeout=1)
    doors.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner.addresses[0][1]
