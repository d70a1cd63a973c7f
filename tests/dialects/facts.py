"""The facts of runs, as the read models give them, and the states that a run goes through."""

from __future__ import annotations

RUN_ID = "5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"
CREATED_US = 1_767_225_600_000_000
STARTED_US = CREATED_US + 2_500_000
ENDED_US = STARTED_US + 62_000_000
FLOW_IDS = {
    "airflow": {"dagId": "nightly.ORDERS"},
    "director": {},
    "etlworks": {"flowId": 4711},
    "incorta": {"loadPlanName": "LP_Orders"},
    "invision": {"dataflowId": "0a6f3a0e-9f53-5f0e-8a3c-0c1d2e3f4a5b"},
    "naver": {
        "workflowId": "wfA1b2C3d4E5",
        "jobId": "Jb3Tn8KwR5yZ",
        "triggerId": "Tg1Ls6DpF4hU",
    },
}
NOTHING_TOLD = {
    "task": None,
    "reason": "error",
    "exception": None,
    "traceback": None,
    "statement": None,
    "line": None,
}
STATES = ("queued", "running", "cancelling", "succeeded", "warned", "failed", "cancelled")
TERMINAL = ("succeeded", "warned", "failed", "cancelled")
NEXT = {
    "queued": ("running", "cancelled", "failed", "succeeded", "warned", "cancelling"),
    "running": ("cancelling", *TERMINAL),
    "cancelling": TERMINAL,
}


def run_facts(status="queued", **changes):
    """A run in that state, with all that a row of `executions` has."""
    begun = status != "queued"
    ended = status in TERMINAL
    facts = {
        "run_id": RUN_ID,
        "run_number": 880012,
        "tenant": "default",
        "fullname": "nightly.ORDERS",
        "flow_version": 1,
        "flow_number": 7,
        "flow_ids": FLOW_IDS,
        "executor": "in_process",
        "status": status,
        "failing": status == "failed",
        "reason": "error" if status == "failed" else None,
        "trigger": "on_demand",
        "started_by": "ops-bot",
        "cancelled_by": "ann" if status in {"cancelling", "cancelled"} else None,
        "created_us": CREATED_US,
        "started_us": STARTED_US if begun else None,
        "ended_us": ENDED_US if ended else None,
        "updated_us": CREATED_US,
        "attempt": 1,
        "retry_of": None,
        "root_run": RUN_ID,
        "root_run_number": 880012,
        "payload": {},
        "comment": None,
        "warnings": ["3 rows had no price"] if status == "warned" else [],
        "error": None,
        "metrics": [],
        "tasks_succeeded": 0,
        "position": 12,
        "queued_position": 3,
    }
    return facts | changes | {"error": failure(changes.get("error"))}


def failure(error):
    """Fill a failure up to all the members that a document has."""
    return error and NOTHING_TOLD | error
