"""A client of NAVER with a tenant of its own: asks with a key, and reports what happens to runs."""

from __future__ import annotations

from urllib.parse import quote

from service.access import Origin
from service.flows.definitions import load_definitions
from service.flows.registration import register
from tests.dialects.suite import Call, vendor


class Desk:
    def __init__(self, server, tenant, key):
        self.server = server
        self.tenant = tenant
        self.key = key

    @classmethod
    def opened(cls, server, tenant, flows):
        """Open a desk of a new tenant with the flows of a file."""
        create = server.service.credentials.create
        key = server.run(create(tenant=tenant, role="operator", name=tenant))
        desk = cls(server, tenant, key)
        desk.load(flows)
        return desk

    def load(self, flows):
        """Make a file the tenant's whole catalogue."""
        self.server.run(self._register(load_definitions(flows)))

    async def _register(self, definitions):
        service = self.server.service
        await register(
            service.log,
            service.catalogue,
            tenant=self.tenant,
            definitions=definitions,
            dialects=service.dialects,
            origin=Origin(actor="suite", source="cli"),
        )

    def ids(self, flow):
        return self.server.service.catalogue.for_tenant(self.tenant).flows[flow].ids["naver"]

    def path(self, flow):
        return f"/api/v1/workflows/{self.ids(flow)['workflowId']}/executions"

    def ask(self, method, target, body=None):
        call = Call(method, target)
        if body is not None:
            call = call.sending(body)
        return self.server.ask(vendor("naver").sign(call, self.key))

    def get(self, target, as_of=None):
        if as_of is not None:
            target += ("&" if "?" in target else "?") + f"as_of={quote(str(as_of))}"
        answer = self.ask("GET", target)
        assert answer.status == 200, answer.body
        return answer.json

    def list(self, flow, query="?page=0&limit=20"):
        return self.get(self.path(flow) + query)

    def start(self, flow):
        answer = self.ask("POST", self.path(flow))
        assert answer.status == 202, answer.body
        return self.list(flow, "?page=0&limit=1")["list"][0]

    def own(self, method, target, body=None):
        call = Call(method, target).having(Authorization=f"Bearer {self.key.token}")
        return self.server.ask(call if body is None else call.sending(body)).json

    def newest(self, flow):
        return self.own("GET", f"/v1/runs?flow={flow}&limit=1")["runs"][0]

    def report(self, flow, *facts):
        """Report of a flow's newest run: types, or types of a task as ``type task``."""
        run = self.newest(flow)
        events = []
        for fact in facts:
            kind, _, task = fact.partition(" ")
            event = {"event_id": f"{run['run_id']} {fact}", "type": kind}
            events.append(event | ({"task": task} if task else {}))
        answer = self.own("POST", f"/v1/runs/{run['run_id']}/events", {"events": events})
        assert {each["outcome"] for each in answer["results"]} == {"recorded"}, answer
