"""A client of Etlworks."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from tests.dialects.suite import Call

LEGACY = "/plugins/dashboard/rest/v1/flows"


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
        flow, name = self._flow(run), run["flow"]["fullname"]
        audit = run["vendor_ids"]["etlworks"]["auditId"]
        listener = run["vendor_ids"]["etlworks"]["listener"]
        return (
            Call("GET", f"/rest/v1/executions/{flow}"),
            Call("GET", f"{LEGACY}/{flow}"),
            Call("GET", f"/rest/v1/executions/console/download?flowId={flow}&auditId={audit}"),
            Call("GET", f"{LEGACY}/console/download?flowId={flow}&auditId={audit}"),
            Call("POST", f"/rest/v1/flows/{flow}/run"),
            Call("POST", f"/rest/v1/flows/flow-name/{name}/run"),
            Call("POST", f"/plugins/flows/rest/v1/flows/flow-name/{name}/run"),
            Call("POST", f"/rest/v1/httplistener/{listener}"),
            Call("PUT", f"/rest/v1/httplistener/{listener}"),
            Call("POST", f"/rest/v1/token-auth/tenants/{run['tenant']}"),
        )

    def malformed(self, run):
        flow = self._flow(run)
        for path in (f"/rest/v1/executions/{flow}", f"{LEGACY}/{flow}"):
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
        yield Call("GET", f"/rest/v1/executions/{flow}?status=lost"), 404
        yield from self._malformed_downloads(flow)
        yield from self._malformed_messages(run)
        yield from self._malformed_names()
        yield from self._malformed_logins()
        for tenant in ("nowhere", "*", "%20", "x" * 200):
            yield Call("POST", f"/rest/v1/token-auth/tenants/{tenant}"), 404
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

    def _malformed_downloads(self, flow):
        for path in ("/rest/v1/executions/console/download", f"{LEGACY}/console/download"):
            for query in ("", f"?flowId={flow}", "?auditId=1", f"?flowId={flow}&auditId=x"):
                yield Call("GET", f"{path}{query}"), 400
            yield Call("GET", f"{path}?flowId={flow}&auditId={2**31 - 1}"), 404
            yield Call("GET", f"{path}?flowId=1&auditId=1"), 404

    def _malformed_names(self):
        for name in ("suite.NOTHING", "nothing", "%20", "suite.ORDERS%2Fx"):
            yield Call("POST", f"/rest/v1/flows/flow-name/{name}/run"), 404

    def _malformed_messages(self, run):
        listener = run["vendor_ids"]["etlworks"]["listener"]
        for pattern in ("nothing", f"{listener}/more", f"{listener}%20", "."):
            for method in ("POST", "PUT"):
                yield Call(method, f"/rest/v1/httplistener/{pattern}"), 404
        message = Call("POST", f"/rest/v1/httplistener/{listener}")
        for body in (b"{", b"\xff", b'{"a": "\\u0000"}', b'{"a": NaN}', b"[" * 9999):
            yield message.sending(body), 400
        for body in (b"\xff\xfe", b"a\x00b"):
            yield message.having(Content_Type="text/csv").sending(body), 400
        yield message.sending({"a": "x" * (2 << 20)}), 413

    def _malformed_logins(self):
        for path in ("/rest/v1/token-auth", "/rest/v1/token-auth/issue"):
            login = Call("POST", path)
            yield login, 400
            for body in (b"{", {}, [], {"login": "a"}, {"login": "a", "password": 1}):
                yield login.sending(body), 400
            yield login.sending({"login": "", "password": "x"}), 400
            yield login.sending({"login": "nobody", "password": "x"}), 401
            yield login.sending({"login": "a\xff", "password": "\xff"}), 401
            yield login.sending({"login": "a", "password": "x" * 5000}), 413
            yield login.having(Content_Type="text/plain").sending({"login": "a"}), 415

    def check_error(self, answer, call):
        body = answer.json
        assert body == {
            "status": answer.status,
            "error": HTTPStatus(answer.status).phrase,
            "message": body["message"],
            "path": body["path"],
        }
        assert isinstance(body["message"], str)
        assert body["message"]
        assert body["path"].startswith("/")
        assert "?" not in body["path"]

    def _flow(self, run):
        return run["vendor_ids"]["etlworks"]["flowId"]


VENDOR = Etlworks()
