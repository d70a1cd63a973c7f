"""A client of Celery Director."""

from __future__ import annotations

import base64
from typing import ClassVar

from tests.dialects.suite import Call

ID = "00000000-0000-4000-8000-000000000000"
UNAUTHORIZED = {
    "error": "unauthorized",
    "message": "Please authenticate to access this API.",
    "status": 401,
}


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
        pair = f"{key.username}:{key.password}".encode()
        return call.having(Authorization=f"Basic {base64.b64encode(pair).decode()}")

    def start(self, run):
        project, _, name = run["flow"]["fullname"].partition(".")
        body = {"project": project, "name": name, "payload": run["payload"]}
        return Call("POST", "/api/workflows").sending(body)

    def started(self, answer, run):
        return Call("GET", f"/api/workflows/{answer.json['id']}")

    def status(self, run):
        return Call("GET", self._workflow(run))

    def word(self, answer, run):
        assert answer.json["id"] == run["run_id"]
        return answer.json["status"]

    def calls(self, run):
        return (
            Call("GET", "/api/workflows"),
            Call("GET", "/api/definitions"),
            self.start(run),
            self.status(run),
            Call("POST", f"{self._workflow(run)}/relaunch"),
            Call("POST", f"{self._workflow(run)}/cancel"),
        )

    def malformed(self, run):
        for run_id in ("abc", "42", ID, ID[:-1], ID.upper(), "%20", "x" * 5000, "%C3%A9" * 32):
            yield Call("GET", f"/api/workflows/{run_id}"), 404
            yield Call("POST", f"/api/workflows/{run_id}/relaunch"), 404
            yield Call("POST", f"/api/workflows/{run_id}/cancel"), 404
        for broken in ("%00", "%FF", "%zz"):
            yield Call("GET", f"/api/workflows/{broken}"), 400
            yield Call("GET", f"/api/workflows?page={broken}"), 400
        for query in ("page=0", "page=-1", "per_page=-1", "page=999999", "page=2&per_page=0"):
            yield Call("GET", f"/api/workflows?{query}"), 404
        for query in (f"page={10**19}", f"per_page={10**19}"):
            yield Call("GET", f"/api/workflows?{query}"), 400
        for path in ("/api", "/api/", "/api/workflows/", "/api/ping/", "/api/list/workflows"):
            yield Call("GET", path), 404
        for method in ("PUT", "DELETE", "PATCH"):
            yield Call(method, "/api/workflows"), 405
        yield Call("POST", "/api/ping"), 405
        yield Call("GET", f"{self._workflow(run)}/relaunch"), 405
        yield from self._malformed_starts(run)

    def _malformed_starts(self, run):
        start = self.start(run)
        for body in (b"", b"{", b"\xff\xfe", b"[" * 9999, b"[]", b'"x"', b"null", b"5"):
            yield start.sending(body), 400
        for payload in (b'"\\u0000"', b"NaN", b"1e999", b"-Infinity", b"1" * 30, b'"\\ud800"'):
            body = b'{"project": "a", "name": "b", "payload": {"x": ' + payload + b"}}"
            yield start.sending(body), 400
        good = {"project": "no", "name": "FLOW", "payload": {}}
        for change in ({"payload": None}, {"comment": 5}, {"foo": 1}, {"comment": "x" * 256}):
            yield start.sending(good | change), 400
        yield start.sending(good), 404
        yield start.sending(good | {"project": ""}), 404
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            yield start.having(Content_Type=kind), 415
        yield start.sending(good | {"payload": {"x": "x" * (2 << 20)}}), 413
        yield start.having(Idempotency_Key="x" * 201), 400

    def check_error(self, answer, call):
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.body.endswith(b"}\n")
        assert answer.body.isascii()
        if answer.status == 401:
            assert answer.json == UNAUTHORIZED
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="Authentication Required"'
            return
        assert set(answer.json) <= {"error", "errors"}
        assert isinstance(answer.json["error"], str)
        assert answer.json["error"]
        assert all(isinstance(text, str) for text in answer.json.get("errors", []))

    def _workflow(self, run):
        return f"/api/workflows/{run['vendor_ids']['director']['id']}"


VENDOR = Director()
