"""A client of NAVER Cloud Data Flow."""

from __future__ import annotations

import time
from typing import ClassVar

from service.dialects.naver.auth import sign
from tests.dialects.suite import Call

GATEWAY_ONLY = {401, 403, 405, 413, 503}


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
        now_ms = str(time.time_ns() // 1_000_000)
        signature = sign(call.method, call.target, now_ms, key.access_key, key.secret_key)
        return call.having(
            x_ncp_apigw_timestamp=now_ms,
            x_ncp_iam_access_key=key.access_key,
            x_ncp_apigw_signature_v2=signature,
        )

    def start(self, run):
        return Call("POST", self._executions(run))

    def started(self, answer, run):
        workflow_id = answer.json["workflowId"]
        return Call("GET", f"/api/v1/workflows/{workflow_id}/executions?page=0&limit=1")

    def status(self, run):
        return Call("GET", f"{self._executions(run)}?page=0&limit=100")

    def word(self, answer, run):
        execution = run["vendor_ids"]["naver"]["jobExecutionId"]
        (row,) = (row for row in answer.json["list"] if row["jobExecutionId"] == execution)
        return row["status"]

    def calls(self, run):
        path = self._executions(run)
        return (
            Call("GET", path),
            Call("GET", f"{path}?filter=a%20b&page=1&limit=5"),
            Call("POST", path),
        )

    def malformed(self, run):
        path = self._executions(run)
        texts = ("", "abc", "-1", "1.5", "+1", "%2B1", "1_0", "%D9%A1", "%00", "%FF", "%zz")
        for name in ("page", "limit"):
            for text in texts:
                yield Call("GET", f"{path}?{name}={text}"), 400
        for workflow_id in ("wfA1b2C3d4E5", "abc", "%20", "%C3%A9", "x" * 5000):
            yield Call("GET", f"/api/v1/workflows/{workflow_id}/executions"), 404
            yield Call("POST", f"/api/v1/workflows/{workflow_id}/executions"), 404
        for broken in ("%00", "%FF", "%zz"):
            yield Call("GET", f"/api/v1/workflows/{broken}/executions"), 400
        for unknown in ("/api/v1", "/api/v1/", f"{path}/", "/api/v1/workflows/"):
            yield Call("GET", unknown), 404
        for method in ("PUT", "DELETE", "PATCH"):
            yield Call(method, path), 405
        yield self.start(run).having(Idempotency_Key="x" * 201), 400

    def check_error(self, answer, call):
        said = answer.json
        assert set(said["error"]) == {"errorCode", "message", "details"}
        assert all(isinstance(text, str) and text for text in said["error"].values())
        if answer.status in GATEWAY_ONLY:
            assert set(said) == {"error"}
        elif "errorType" in said:
            assert said["errorType"] == said["error"]["message"]
            assert said["detail"] == said["error"]["details"]

    def _executions(self, run):
        return f"/api/v1/workflows/{run['vendor_ids']['naver']['workflowId']}/executions"


VENDOR = Naver()
