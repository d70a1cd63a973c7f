"""A client of Celery Director."""

from __future__ import annotations

import base64
from typing import ClassVar

from tests.dialects.suite import Call

ID = "00000000-0000-4000-8000-000000000000"


class Director:
    words: ClassVar = {
        "queued": "pending",
        "running": "progress",
        "failing": "error",
        "cancelling": "progress",
        "succeeded": "success",
        "warned": "success",
        "failed": "error",
        "cancelled": "canceled",
    }
    unknown = "/api/nothing"

    def sign(self, call, key):
        pair = base64.b64encode(f"{key.username}:{key.password}".encode()).decode()
        return call.having(Authorization=f"Basic {pair}")

    def start(self, run):
        project, _, name = run["flow"]["fullname"].partition(".")
        body = {"project": project, "name": name, "payload": {}}
        return Call("POST", "/api/workflows").sending(body)

    def started(self, answer, run):
        return Call("GET", f"/api/workflows/{answer.json['id']}")

    def status(self, run):
        return Call("GET", f"/api/workflows/{run['vendor_ids']['director']['id']}")

    def word(self, answer, run):
        assert answer.json["id"] == run["run_id"]
        return answer.json["status"]

    def calls(self, run):
        path = self.status(run).target
        return (
            self.status(run),
            self.start(run),
            Call("POST", f"{path}/relaunch"),
            Call("POST", f"{path}/cancel"),
        )

    def malformed(self, run):
        for run_id in ("abc", "42", ID, "%20"):
            yield Call("GET", f"/api/workflows/{run_id}"), 404
            yield Call("POST", f"/api/workflows/{run_id}/relaunch"), 404
            yield Call("POST", f"/api/workflows/{run_id}/cancel"), 404
        for broken in ("%00", "%FF", "%zz"):
            yield Call("GET", f"/api/workflows/{broken}"), 400
        yield Call("GET", "/api/workflows?page=0"), 404
        yield Call("GET", f"/api/workflows?per_page={2**63}"), 400
        start = self.start(run)
        for body in (b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a": NaN}', b"[" * 9999):
            yield start.sending(body), 400
        for body in ({}, {"project": 1, "name": "x", "payload": {}}, {"payload": []}):
            yield start.sending(body), 400
        nul = {"project": "suite", "name": "ORDERS", "payload": {"a": "\0"}}
        yield start.sending(nul), 400
        yield start.sending({"project": "no", "name": "THING", "payload": {}}), 404
        yield start.having(Content_Type="text/plain"), 415
        yield start.sending({"comment": "x" * (2 << 20)}), 413

    def check_error(self, answer, call):
        assert isinstance(answer.json["error"], str)
        assert answer.json["error"]
        assert answer.json.keys() <= {"error", "errors", "message", "status"}
        assert answer.body.endswith(b"}\n")


VENDOR = Director()
