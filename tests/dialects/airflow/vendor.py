"""A client of Airflow, which reads and starts nothing."""

from __future__ import annotations

import base64
from typing import ClassVar

from tests.dialects.suite import Call

RUN_ID = "00000000-0000-4000-8000-000000000000"


class Airflow:
    words: ClassVar = {
        "queued": "queued",
        "running": "running",
        "failing": "running",
        "cancelling": "running",
        "succeeded": "success",
        "warned": "success",
        "failed": "failed",
        "cancelled": "failed",
    }
    unknown = "/airflow/api/v1/nothing"

    def sign(self, call, key):
        pair = base64.b64encode(f"{key.username}:{key.password}".encode()).decode()
        return call.having(Authorization=f"Basic {pair}")

    def status(self, run):
        return Call("GET", f"{self._runs(run)}/{run['vendor_ids']['airflow']['dagRunId']}")

    def word(self, answer, run):
        assert answer.json["dag_run_id"] == run["run_id"]
        return answer.json["state"]

    def calls(self, run):
        shown = self.status(run)
        return (
            Call("GET", f"{self._runs(run)}?limit=1&offset=0"),
            shown,
            Call("GET", f"{shown.target}/taskInstances"),
        )

    def malformed(self, run):
        runs = self._runs(run)
        for query in ("limit=-1", "limit=a", "offset=1.5", "offset=%00", "limit=%FF", "state=x"):
            yield Call("GET", f"{runs}?{query}"), 400
            yield Call("GET", f"{self.status(run).target}/taskInstances?{query}"), 400
        for run_id in ("abc", RUN_ID, "%20"):
            yield Call("GET", f"{runs}/{run_id}"), 404
            yield Call("GET", f"{runs}/{run_id}/taskInstances"), 404
        for dag_id in ("nothing", "%20"):
            yield Call("GET", f"/airflow/api/v1/dags/{dag_id}/dagRuns"), 404
        for broken in ("%00", "%FF", "%zz"):
            yield Call("GET", f"/airflow/api/v1/dags/{broken}/dagRuns"), 400

    def check_error(self, answer, call):
        body = answer.json
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert body.keys() == {"type", "title", "status", "detail"}
        assert body["status"] == answer.status
        assert body["type"].startswith("https://airflow.apache.org/")
        assert body["title"]
        assert body["detail"]

    def _runs(self, run):
        return f"/airflow/api/v1/dags/{run['vendor_ids']['airflow']['dagId']}/dagRuns"


VENDOR = Airflow()
