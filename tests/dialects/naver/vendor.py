"""A client of NAVER Data Flow."""

from __future__ import annotations

import time
from typing import ClassVar

from service.dialects.naver.auth import ACCESS_KEY, SIGNATURE, TIMESTAMP, sign
from tests.dialects.suite import Call


class Naver:
    words: ClassVar = {
        "queued": "READY",
        "running": "RUNNING",
        "failing": "RUNNING",
        "cancelling": "RUNNING",
        "succeeded": "COMPLETED",
        "warned": "COMPLETED",
        "failed": "FAILED",
        "cancelled": "CANCELED",
    }
    unknown = "/api/v1/nothing"

    def sign(self, call, key):
        at = str(time.time_ns() // 1_000_000)
        made = sign(call.method, call.target, at, key.access_key, key.secret_key)
        headers = {TIMESTAMP: at, ACCESS_KEY: key.access_key, SIGNATURE: made}
        return Call(call.method, call.target, call.body, {**call.headers, **headers})

    def start(self, run):
        return Call("POST", self._executions(run))

    def started(self, answer, run):
        assert answer.json["status"] == "ACCEPTED"
        return Call("GET", f"{self._executions(run)}?page=0&limit=1")

    def status(self, run):
        return Call("GET", f"{self._executions(run)}?limit=1000")

    def word(self, answer, run):
        mine = run["vendor_ids"]["naver"]["jobExecutionId"]
        (row,) = (row for row in answer.json["list"] if row["jobExecutionId"] == mine)
        return row["status"]

    def calls(self, run):
        ids = run["vendor_ids"]["naver"]
        job = f"/api/v1/jobs/{ids['jobId']}"
        execution = f"{job}/executions/{ids['jobExecutionId']}"
        return (
            self.status(run),
            self.start(run),
            Call("GET", f"/api/v1/workflows/{ids['workflowId']}"),
            Call("GET", job),
            Call("GET", f"{job}/executions?limit=1000"),
            Call("POST", f"{job}/executions"),
            Call("GET", execution),
            Call("POST", f"{execution}/cancel"),
            Call("GET", f"/api/v1/triggers/{ids['triggerId']}"),
        )

    def malformed(self, run):
        path = self._executions(run)
        for query in ("page=-1", "page=a", "limit=-1", "limit=1.5", "page=1_0", "limit=%D9%A1"):
            yield Call("GET", f"{path}?{query}"), 400
        for query in ("page=%00", "filter=%FF", "filter=%zz"):
            yield Call("GET", f"{path}?{query}"), 400
        for workflow in ("abc", "000000000000", "pJ1HCEI7L9h%20"):
            yield Call("GET", f"/api/v1/workflows/{workflow}/executions"), 404
            yield Call("POST", f"/api/v1/workflows/{workflow}/executions"), 404
        for broken in ("%00", "%FF"):
            yield Call("POST", f"/api/v1/workflows/{broken}/executions"), 400
        yield from self._malformed_lists(run)
        yield from self._malformed_jobs(run)

    def _malformed_lists(self, run):
        job = run["vendor_ids"]["naver"]["jobId"]
        for path in ("workflows", "jobs", "triggers", f"jobs/{job}/executions"):
            for query in ("page=-1", "limit=1e3", "page=%00", f"page={2**63}"):
                yield Call("GET", f"/api/v1/{path}?{query}"), 400
        yield Call("GET", "/api/v1/jobs?status=runnable"), 400

    def _malformed_jobs(self, run):
        ids = run["vendor_ids"]["naver"]
        for unknown in ("abc", "000000000000", "pJ1HCEI7L9h%20", ids["workflowId"]):
            yield Call("GET", f"/api/v1/jobs/{unknown}"), 404
            yield Call("GET", f"/api/v1/triggers/{unknown}"), 404
            yield Call("GET", f"/api/v1/jobs/{unknown}/executions"), 404
            yield Call("POST", f"/api/v1/jobs/{unknown}/executions"), 404
            execution = f"/api/v1/jobs/{ids['jobId']}/executions/{unknown}"
            yield Call("GET", execution), 404
            yield Call("POST", f"{execution}/cancel"), 404
        start = Call("POST", f"/api/v1/jobs/{ids['jobId']}/executions")
        for body in (b"{", b"[]", b"1", {"parameters": "a=1"}, {"jobCondition": 1}):
            yield start.sending(body), 400
        for query in ("workflowId=wfA1b2C3d4E5", "triggerId=0"):
            yield Call("POST", f"{start.target}?{query}"), 400

    def check_error(self, answer, call):
        body = answer.json
        assert body["error"].keys() == {"errorCode", "message", "details"}
        assert all(isinstance(value, str) and value for value in body["error"].values())
        assert body.keys() in ({"error"}, {"error", "errorType", "detail"})

    def _executions(self, run):
        return f"/api/v1/workflows/{run['vendor_ids']['naver']['workflowId']}/executions"


VENDOR = Naver()
