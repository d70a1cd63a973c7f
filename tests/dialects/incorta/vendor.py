"""A client of Incorta."""

from __future__ import annotations

from typing import ClassVar

from tests.dialects.suite import Call


class Incorta:
    words: ClassVar = {
        "queued": "Load State/In Queue",
        "running": "Load State/In Progress",
        "failing": "Load State/In Progress",
        "cancelling": "Load State/In Progress",
        "succeeded": "Terminator State/Success",
        "warned": "Terminator State/Finished with Errors",
        "failed": "Terminator State/Failed",
        "cancelled": "Terminator State/Interrupted",
    }
    partly_failed = "Terminator State/Finished with Errors"
    unknown = "/incorta/api/v2/default/nothing"

    def sign(self, call, key):
        return call.having(Authorization=f"Bearer {key.token}")

    def start(self, run):
        name = run["vendor_ids"]["incorta"]["loadPlanName"]
        return Call("POST", f"{self._plan(run)}/execute").sending({"loadPlanName": name})

    def started(self, answer, run):
        return Call("GET", f"{self._plan(run)}/status/{answer.json['loadPlanExecutionId']}")

    def status(self, run):
        execution = run["vendor_ids"]["incorta"]["executionId"]
        return Call("GET", f"{self._plan(run)}/status/{execution}")

    def word(self, answer, run):
        status = answer.json["status"]
        return f"{status['stateType']}/{status['jobStatus']}"

    def calls(self, run):
        return (self.status(run), self.start(run), self.restart(run))

    def restart(self, run, group=1, **recent):
        name = run["vendor_ids"]["incorta"]["loadPlanName"]
        body = {"loadPlanName": name, "groupSequence": group, **recent}
        return Call("POST", f"{self._plan(run)}/restart").sending(body)

    def malformed(self, run):
        plan, status = self._plan(run), self.status(run).target
        for execution in ("abc", "1.5", "%00", "%FF", "1_0", "%D9%A1"):
            yield Call("GET", f"{plan}/status/{execution}"), 400
        for execution in ("0", "-1", str(2**31), "9" * 5000):
            yield Call("GET", f"{plan}/status/{execution}"), 404
        for level in ("abc", "1.5", "+1", "%00", "%FF", "%D9%A1"):
            yield Call("GET", f"{status}?level={level}"), 400
        for level in ("0", "5", "-1", "9" * 5000):
            yield Call("GET", f"{status}?level={level}"), 422
        for tenant in ("Default", "nobody", "%2A", "*"):
            yield Call("GET", f"/incorta/api/v2/{tenant}/load-plan/status/1"), 404
        start = self.start(run)
        for body in (
            b"",
            b"{",
            b"[]",
            b'"x"',
            b"\xff\xfe",
            b'{"loadPlanName": "\\u0000"}',
            b"[" * 9999,
        ):
            yield start.sending(body), 400
        for body in ({}, {"loadPlanName": ""}, {"loadPlanName": 7}, {"loadPlanName": None}):
            yield start.sending(body), 400
        yield start.sending({"loadPlanName": "nothing"}), 404
        yield start.sending({}).having(Content_Type="text/plain"), 415
        yield start.sending({"loadPlanName": "x" * (2 << 20)}), 413

        yield from self._malformed_restarts(run)

    def _malformed_restarts(self, run):
        restart = self.restart(run)
        for body in (b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"groupSequence": 1}'):
            yield restart.sending(body), 400
        for wrong in (None, "1", 1.5, True, [], {}):
            yield self.restart(run, wrong), 400
            if wrong is not None:
                yield self.restart(run, recentLoadPlanExecution=wrong), 400
        for group in (-1, 3, 2**31, 2**63 - 1):
            yield self.restart(run, group), 422
        for execution in (0, -1, 2**31 - 1, 2**31, 2**63 - 1):
            yield self.restart(run, recentLoadPlanExecution=execution), 404
        yield restart.sending({"loadPlanName": "nothing", "groupSequence": 1}), 404
        yield self.restart(run, 2).having(Content_Type="text/plain"), 415
        yield restart.sending({"loadPlanName": "x" * (2 << 20), "groupSequence": 1}), 413

    def check_error(self, answer, call):
        assert answer.json == {"message": answer.json["message"]}
        assert isinstance(answer.json["message"], str)
        assert answer.json["message"]

    def _plan(self, run):
        return f"/incorta/api/v2/{run['tenant']}/load-plan"


VENDOR = Incorta()
