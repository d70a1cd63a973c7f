"""A client of InVision."""

from __future__ import annotations

from typing import ClassVar

from tests.dialects.suite import Call

RUN_ID = "00000000-0000-4000-8000-000000000000"


class Invision:
    words: ClassVar = {
        "queued": "Pending",
        "running": "Running",
        "failing": "Running",
        "cancelling": "Running",
        "succeeded": "Succeeded",
        "warned": "Succeeded",
        "failed": "Failed",
        "cancelled": "Failed",
    }
    unknown = "/invision/api/pub/v1/dataflows"

    def sign(self, call, key):
        return call.having(x_api_key=key.token)

    def start(self, run):
        return Call("POST", f"{self._flow(run)}/start")

    def started(self, answer, run):
        return Call("GET", f"{self._flow(run)}/runs/{answer.json['runId']}/status")

    def status(self, run):
        run_id = run["vendor_ids"]["invision"]["runId"]
        return Call("GET", f"{self._flow(run)}/runs/{run_id}/status")

    def word(self, answer, run):
        assert answer.json["runId"] == run["run_id"]
        return answer.json["status"]

    def calls(self, run):
        calls = (self.start(run), self.status(run))
        elsewhere = (Call(call.method, f"/My-Company/2{call.target}/") for call in calls)
        return (*calls, *elsewhere)

    def malformed(self, run):
        flow = self._flow(run)
        for run_id in ("abc", "42", RUN_ID, RUN_ID.replace("-", ""), "%20"):
            yield Call("GET", f"{flow}/runs/{run_id}/status"), 404
        for broken in ("%00", "%FF", "%zz"):
            yield Call("GET", f"{flow}/runs/{broken}/status"), 400
            yield Call("POST", f"/api/pub/v1/dataflows/{broken}/start"), 400
        yield Call("GET", "/api/pub/v1/dataflows/nothing/start"), 405
        yield Call("POST", "/api/pub/v1/dataflows/nothing/start"), 404
        yield Call("POST", f"/api/pub/v1/dataflows/{'x' * 5000}/start"), 404
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
        for body in (
            {"globalArguments": []},
            {"DataContext": 7},
            {"activitiesExecutionData": {}},
            {"activitiesExecutionData": ["LOAD"]},
        ):
            yield start.sending(body), 400
        yield start.sending({}).having(Content_Type="text/plain"), 415
        yield start.sending({"dataContext": "x" * (2 << 20)}), 413

    def check_error(self, answer, call):
        assert answer.json == {"message": answer.json["message"]}
        assert isinstance(answer.json["message"], str)
        assert answer.json["message"]

    def _flow(self, run):
        return f"/api/pub/v1/dataflows/{run['vendor_ids']['invision']['dataflowId']}"


VENDOR = Invision()
