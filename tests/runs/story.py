"""Given, when, then for runs: a plan, what happened so far, a command, the events it comes to."""

from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from events.codec import decode
from events.envelope import Event
from projections.documents.flow import Plan, PlanTask
from service.access import Origin
from service.runs.domain.commands import (
    CancelRun,
    ClaimRun,
    RecordCorrection,
    ReportedEvent,
    ReportEvents,
    TimeOutRun,
    UnlistRun,
)
from service.runs.domain.decider import correct, decide, fold

TENANT = "acme"
RUN = "5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"
ORIGIN = Origin("ops", "api", "k-1")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

CHAIN = Plan((PlanTask("A", "A"), PlanTask("B", "B", ("A",))))
HOOKS = Plan(
    (
        PlanTask("A", "A"),
        PlanTask("G/B", "B", ("A",), ("G",)),
        PlanTask("G/C", "C", ("A",), ("G",)),
        PlanTask("D", "D", ("G/B", "G/C")),
        PlanTask("OK", "OK", hook="success"),
        PlanTask("KO", "KO", hook="failure"),
    )
)


def queued_body(executor="in_process", **more):
    return {
        "run_id": RUN,
        "run_number": 7,
        "flow": "example.ETL",
        "flow_version": 1,
        "executor": executor,
        "exclusive": False,
        "payload": {},
        "comment": None,
        "trigger": "on_demand",
        "started_by": "ops",
        "attempt": 1,
        "retry_of": None,
        "root_run": RUN,
        "root_run_number": 7,
    } | more


class Story:
    """A run from its first event on. Reports get the ids f-1, f-2 ... unless given one."""

    def __init__(self, plan=CHAIN, executor="in_process", **more):
        self.plan = plan
        self.ids, self.report_ids = count(1), count(1)
        self.events = []
        self.verdicts = ()
        self.decision = None
        self._append("RunQueued", queued_body(executor, **more), {}, self._new_id())

    @property
    def state(self):
        return fold(self.plan, self.events)

    @property
    def later_events(self):
        """The whole story but its first event."""
        return [(event.type, event.data) for event in self.events[1:]]

    def statuses(self):
        return {path: task.status for path, task in self.state.tasks.items()}

    def when(self, command):
        """Carry out a command; the types and bodies of the events it comes to."""
        return self._then(decide(self.plan, self.state, command, self._new_id))

    def correct(self, version, reason="wrong", **data):
        """Correct the event at a version."""
        position = self.events[version - 1].position
        command = RecordCorrection(TENANT, ORIGIN, RUN, position, reason, data)
        return self._then(correct(self.plan, self.state, command, self._new_id, version=version))

    def _then(self, decision):
        self.decision = decision
        before = len(self.events)
        for new in self.decision.events:
            self._append(new.type, decode(new.body), decode(new.metadata), new.event_id, new)
        assert self.state == self.decision.state
        self.verdicts = [(v.outcome, v.version, v.reason) for v in self.decision.verdicts]
        return [(event.type, event.data) for event in self.events[before:]]

    def claim(self, worker="w1", epoch=1):
        return self.when(ClaimRun(TENANT, ORIGIN, RUN, worker, epoch))

    def cancel(self, *, force=False):
        return self.when(CancelRun(TENANT, ORIGIN, RUN, force=force))

    def time_out(self):
        return self.when(TimeOutRun(TENANT, ORIGIN, RUN))

    def unlist(self, offset=2):
        return self.when(UnlistRun(TENANT, ORIGIN, RUN, offset))

    def report(self, *events, worker=None, epoch=None):
        """Report events that `event` makes, as the worker that has the run, if one has."""
        state = self.state
        worker = state.worker if worker is None else worker
        epoch = state.epoch if epoch is None else epoch
        return self.when(ReportEvents(TENANT, ORIGIN, RUN, events, worker, epoch))

    def event(self, type_, task=None, *, id_=None, at=None, **data):
        return ReportedEvent(id_ or f"f-{next(self.report_ids)}", type_, task, data, at)

    def reports(self, type_, task=None, **more):
        return self.report(self.event(type_, task, **more))

    def _new_id(self):
        return str(UUID(int=next(self.ids)))

    def _append(self, type_, data, metadata, event_id, new=None):
        version = len(self.events) + 1
        self.events.append(
            Event(
                1000 + version,
                TENANT,
                f"run:{RUN}",
                version,
                event_id,
                type_,
                1,
                data,
                metadata,
                new.actor if new else "ops",
                new.correlation_id if new else RUN,
                new.causation_id if new else "",
                "",
                new.occurred_at if new else None,
                NOW,
                b"",
            )
        )


def running(plan=CHAIN, executor="in_process", **more):
    """A story in which the first task runs."""
    story = Story(plan, executor, **more)
    if executor == "in_process":
        story.claim()
    story.reports("TaskStarted", plan.tasks[0].path)
    return story
