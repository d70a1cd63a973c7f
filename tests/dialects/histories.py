"""Random histories of runs, told to a real server through its writer, and what each vendor says.

A history is a list of `STEPS`: what reporters, a worker, an operator and the clock may do, in any
order, sense or none. The writer decides what becomes of it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hypothesis import strategies as st

from service.access import Origin
from service.errors import FlowBusy
from service.runs.domain.commands import (
    CancelRun,
    ClaimRun,
    ReportedEvent,
    ReportEvents,
    RetryRun,
    TimeOutRun,
)
from service.runs.domain.errors import ClaimLost, RunEnded
from tests.dialects.suite import ENDS, Call, vendor

WAITING, RUNNING, OVER = range(3)
FLOWS = Path(__file__).with_suffix(".yaml")
REPORTED, EXECUTED = "histories.REPORTED", "histories.EXECUTED"
PATHS = ("FIRST", "BOTH/LEFT", "BOTH/RIGHT", "LAST", "@success/ANNOUNCE", "@failure/ALARM")
LOADING = {REPORTED: PATHS[:4], EXECUTED: PATHS[:3]}
"""The tasks that load the tables of a load plan; a flow without one has its steps for that."""

TASK_REPORTS = (
    ("TaskStarted", {}),
    ("TaskSucceeded", {"result": 1}),
    ("TaskWarned", {"warnings": ["3 rows had no price"]}),
    ("TaskFailed", {"exception": "no such table: ordrs"}),
    ("TaskFailed", {"exception": "try again", "will_retry": True}),
    ("TaskFailed", {"reason": "lost", "will_retry": True}),
    ("TaskFailed", {"reason": "timeout"}),
    ("TaskSkipped", {}),
    ("TaskCancelled", {}),
    ("TaskOutputRecorded", {"log": "so far"}),
)
EVENT_IDS = count(1)
RUN_REPORTS = ("RunStarted", "RunSucceeded", "RunWarned", "RunFailed", "RunCancelled")

_task_reports = st.tuples(st.sampled_from(TASK_REPORTS), st.sampled_from(PATHS))
_run_reports = st.tuples(st.sampled_from([(kind, {}) for kind in RUN_REPORTS]), st.none())
_forward = st.sampled_from(
    [[(("TaskStarted", {}), path), (("TaskSucceeded", {"result": 1}), path)] for path in PATHS[:4]]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("report"), _forward),
        st.tuples(
            st.just("report"),
            st.lists(st.one_of(_task_reports, _task_reports, _run_reports), min_size=1, max_size=3),
        ),
        st.tuples(st.just("cancel"), st.booleans()),
        st.tuples(st.just("claim"), st.integers(0, 1)),
        st.tuples(st.just("time out"), st.none()),
        st.tuples(st.just("retry"), st.none()),
    ),
    max_size=7,
)


@dataclass
class History:
    """A run in a tenant of its own, and the steps that it has been through."""

    server: object
    tenant: str
    run: dict
    claimed: int = 0
    """The epoch of the last claim."""

    @classmethod
    def begin(cls, server, tenant, flow, door):
        """Start a run of a flow through a vendor's door; the answer leads that vendor to it."""
        server.settle(tenant, flows=FLOWS)
        catalogue = server.service.catalogue
        flow = catalogue.find(tenant, flow)
        wanted = {"tenant": tenant, "flow": {"fullname": flow.fullname}, "vendor_ids": flow.ids}
        key = server.keys[tenant]
        answer = server.ask(vendor(door).sign(vendor(door).start(wanted), key))
        assert answer.status in {200, 201, 202}, answer.body
        read = server.ask(vendor(door).sign(vendor(door).started(answer, wanted), key))
        assert read.status == 200, read.body
        (run,) = server.own("GET", "/v1/runs?limit=1", key=tenant).json["runs"]
        return cls(server, tenant, run)

    def take(self, name, argument):
        """Carry out a step; a run that has ended may refuse it."""
        origin, run_id = Origin(self.tenant, "suite"), self.run["run_id"]
        match name:
            case "report":
                command = self._report(origin, argument)
            case "cancel":
                command = CancelRun(self.tenant, origin, run_id, force=argument)
            case "claim":
                self.claimed += argument or not self.claimed
                worker = f"w{self.claimed}"
                command = ClaimRun(self.tenant, origin, run_id, worker, self.claimed)
            case "time out":
                command = TimeOutRun(self.tenant, origin, run_id)
            case "retry":
                command = RetryRun(self.tenant, origin, run_id)
        with suppress(RunEnded, ClaimLost, FlowBusy):
            self.server.run(self.server.service.writer.submit(command))

    def _report(self, origin, events):
        reports = tuple(
            ReportedEvent(f"event-{next(EVENT_IDS)}", kind, task, data)
            for (kind, data), task in events
        )
        worker = f"w{self.claimed}" if self.claimed else ""
        return ReportEvents(self.tenant, origin, self.run["run_id"], reports, worker, self.claimed)

    def positions(self):
        """Where the run's events stand in the log."""
        path = f"/v1/runs/{self.run['run_id']}/events?limit=1000"
        return [event["position"] for event in self._own(path)["events"]]

    def at(self, position):
        """The run as our own API shows it as of a position."""
        return self._own(f"/v1/runs/{self.run['run_id']}?as_of={position}")

    def now(self):
        """The run as our own API shows it once all is there that was written."""
        return self._own(f"/v1/runs/{self.run['run_id']}", not_before=self.server.head())

    def _own(self, target, not_before=0):
        key = self.server.keys[self.tenant]
        call = Call("GET", target).having(Authorization=f"Bearer {key.token}")
        answer = self.server.ask(call.having(Flowledger_Min_Position=str(not_before)))
        assert answer.status == 200, answer.body
        return answer.json

    def word(self, name, *, at=None, not_before=0):
        """A vendor's word for the run, as of a position or now."""
        headers = {"Flowledger_As_Of": str(at)} if at else {}
        call = vendor(name).status(self.run).having(**headers)
        if not at:
            call = call.having(Flowledger_Min_Position=str(not_before))
        answer = self.server.ask(vendor(name).sign(call, self.server.keys[self.tenant]))
        assert answer.status == 200, (name, answer.body)
        return vendor(name).word(answer, self.run)


def word_of(name, run):
    """The word that a vendor has for a run as /v1 shows it.

    A vendor that says early that a run fails keeps to it; one that tells a run of which a part was
    loaded from others has a word for that, ``partly_failed``.
    """
    words = vendor(name).words
    if run["failing"] and words["failing"] != words["running"]:
        return words["failing"]
    tables = LOADING[run["flow"]["fullname"]]
    loaded = {task["status"] for task in run["tasks"] if task["path"] in tables}
    if run["status"] == "failed" and loaded & {"succeeded", "warned"}:
        return getattr(vendor(name), "partly_failed", words["failed"])
    return words[run["status"]]


def rank(name, word):
    """`WAITING`, `RUNNING` or `OVER`; a word that a vendor has for two of them is the later."""
    words = vendor(name).words
    if word in {words[end] for end in ENDS} | {getattr(vendor(name), "partly_failed", None)}:
        return OVER
    running = {words[state] for state in ("running", "failing", "cancelling")}
    return RUNNING if word in running else WAITING
