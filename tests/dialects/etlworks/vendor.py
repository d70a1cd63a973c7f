"""A client of Etlworks."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from tests.dialects.suite import Call


class Etlworks:
    words: ClassVar = {
        "queued": "running",
        "running": "running",
        "failing": "running",
        "cancelling": "running",
        "succeeded": "success",
        "warned": "warning",
        "failed": "error",
        "cancelled": "error",
    }
    unknown = "/rest/v1/nothing"

    def sign(self, call, key):
        return call.having(Authorization=f"Bearer {key.token}")

    def start(self, run):
        return Call("POST", f"/rest/v1/flows/{self._flow(run)}/run")

    def started(self, answer, run):
        flow, audit = answer.json["flowId"], answer.json["auditId"]
        return Call("GET", f"/rest/v1/executions/{flow}?auditId={audit}")

    def status(self, run):
        audit = run["vendor_ids"]["etlworks"]["auditId"]
        return Call("GET", f"/rest/v1/executions/{self._flow(run)}?auditId={audit}")

    def word(self, answer, run):
        return answer.json["status"]

    def calls(self, run):
        flow = self._flow(run)
        return (
            Call("GET", f"/rest/v1/executions/{flow}"),
            Call("GET", f"/plugins/dashboard/rest/v1/flows/{flow}"),
            Call("POST", f"/rest/v1/flows/{flow}/run"),
        )

    def malformed(self, run):
        flow = self._flow(run)
        for path in (f"/rest/v1/executions/{flow}", f"/plugins/dashboard/rest/v1/flows/{flow}"):
            for query in (
                "auditId=abc",
                "auditId=1.5",
                "auditId=1_0",
                "auditId=%D9%A1",
                f"auditId={2**63}",
                "messageId=42",
                "messageId=zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
                "auditId=%00",
                "auditId=%FF",
                "auditId=%zz",
            ):
                yield Call("GET", f"{path}?{query}"), 400
            for query in ("auditId=0", "auditId=-1", f"auditId={2**63 - 1}"):
                yield Call("GET", f"{path}?{query}"), 404
        for flow_id in ("abc", "1.5", "%00", "%FF", str(2**63), "1%20"):
            yield Call("GET", f"/rest/v1/executions/{flow_id}"), 400
            yield Call("POST", f"/rest/v1/flows/{flow_id}/run"), 400
        yield Call("GET", "/rest/v1/executions/1"), 404
        start = self.start(run)
        for body in (
            b"{",
            b"[]",
            b'"x"',
            b"\xff\xfe",
            b'{"a": "\\u0000"}',
            b'{"a": NaN}',
            b"[" * 9999,
        ):
            yield start.sending(body), 400
        for body in ({"a": {}}, {"a": []}, {"a": 2**70}):
            yield start.sending(body), 400
        yield start.sending({}).having(Content_Type="text/plain"), 415
        yield start.sending({"a": "x" * (2 << 20)}), 413

    def check_error(self, answer, call):
        said = answer.json
        assert said == {
            "status": answer.status,
            "error": HTTPStatus(answer.status).phrase,
            "message": said["message"],
            "path": said["path"],
        }
        assert isinstance(said["message"], str)
        assert said["message"]
        assert said["path"].startswith("/")
        assert "?" not in said["path"]

    def _flow(self, run):
        return run["vendor_ids"]["etlworks"]["flowId"]


VENDOR = Etlworks()
