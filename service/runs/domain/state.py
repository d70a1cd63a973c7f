"""The decider's state of a run, folded from the events of its stream alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from events import types
from events.bodies import (
    Executor,
    FailureReason,
    Metadata,
    ReportKey,
    ReportRefused,
    RunClaimed,
    RunQueued,
    TaskBody,
    TaskFailed,
    Trigger,
)
from events.envelope import Event
from events.errors import UnknownEventTypes
from projections.documents.flow import Plan
from projections.documents.lifecycle import RUN_ENDED, RunStatus
from projections.documents.run import reused_tasks
from service.runs.domain.errors import BrokenStream
from service.runs.domain.transitions import (
    LOST_WILL_RETRY,
    RUN_EVENTS,
    TASK_TRANSITIONS,
    InternalTaskStatus,
    next_run_status,
    task_change,
)


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task's status; ``attempt`` counts its starts, ``lost_attempts`` those lost with a worker.

    ``worker_crashes`` counts the lost attempts that no worker gave back before it went away.
    """

    status: InternalTaskStatus = "pending"
    attempt: int = 0
    lost_attempts: int = 0
    worker_crashes: int = 0


PENDING: Final = TaskState()


@dataclass(frozen=True, slots=True)
class ReportRecord:
    """A report's result: the version of its event, and the reason if it was refused."""

    version: int
    fingerprint: str
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """The event that started or ended a run; not ``reported`` if the ledger derived it."""

    version: int
    type: str
    reported: bool


@dataclass(slots=True)
class RunState:
    """A run after some events of its stream.

    Treat it as immutable: `evolve` and `fold` return a new one, and only a draft changes its copy.
    ``reused_tasks`` maps the path of each reused task to the earlier run in which it was done.
    ``reports`` has each report by the reporter's id; a second, different event under an id stands
    by `conflicting_report_key`. ``reason`` is that of the first final task failure.
    """

    run_id: str
    run_number: int
    fullname: str
    flow_version: int
    executor: Executor
    exclusive: bool
    payload: Mapping[str, Any]
    comment: str | None
    project: str | None
    trigger: Trigger
    started_by: str
    attempt: int
    root_run: str
    root_run_number: int
    queued_id: str
    tasks: dict[str, TaskState]
    reused_tasks: Mapping[str, str] = field(default_factory=dict)
    reports: dict[str, ReportRecord] = field(default_factory=dict)
    version: int = 1
    status: RunStatus = "queued"
    failing: bool = False
    reason: FailureReason | None = None
    worker: str = ""
    epoch: int = 0
    started: LifecycleEvent | None = None
    ended: LifecycleEvent | None = None
    unlisted: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether the run's status is terminal."""
        return self.status in RUN_ENDED

    def copy(self) -> RunState:
        """Copy the state for a draft to change."""
        twin = object.__new__(RunState)
        for name in RunState.__slots__:  # dataclasses.replace takes five times as long
            setattr(twin, name, getattr(self, name))
        twin.tasks, twin.reports = dict(self.tasks), dict(self.reports)
        return twin


def conflicting_report_key(event_id: str, fingerprint: str) -> str:
    """Make the key of a different event under the same id; ids never contain NUL."""
    return f"{event_id}\0{fingerprint}"


def evolve(plan: Plan, state: RunState | None, event: Event) -> RunState:
    """Fold one event into a run's state; None is the state before the first event.

    Raises:
        BrokenStream: the state does not allow the event, or the plan has no such task.
        UnknownEventTypes: a newer release wrote it.
    """
    return fold(plan, (event,), state)


def fold(plan: Plan, events: Iterable[Event], state: RunState | None = None) -> RunState:
    """Fold events of a run's stream, in order; from the first unless a state is given.

    Raises:
        BrokenStream: as `evolve`, or there are no events.
        UnknownEventTypes: a newer release wrote one.
    """
    folded = None if state is None else state.copy()
    for event in events:
        if folded is None:
            folded = initial_state(plan, event.type, event.data, event.event_id)
        else:
            apply(folded, event.type, event.data, event.metadata)
    if folded is None:
        raise BrokenStream("a run without events")
    return folded


def initial_state(plan: Plan, type_: str, body: RunQueued, event_id: str) -> RunState:
    """Build the state of a new run from the body of its `RunQueued`.

    Raises:
        BrokenStream: it is another event.
    """
    if next_run_status(None, type_) is None:
        raise BrokenStream(f"a run begins with RunQueued, not with {type_}")
    return RunState(
        run_id=body["run_id"],
        run_number=body["run_number"],
        fullname=body["flow"],
        flow_version=body["flow_version"],
        executor=body["executor"],
        exclusive=body["exclusive"],
        payload=body["payload"],
        comment=body["comment"],
        project=body.get("project"),
        trigger=body["trigger"],
        started_by=body["started_by"],
        attempt=body["attempt"],
        root_run=body["root_run"],
        root_run_number=body["root_run_number"],
        queued_id=event_id,
        tasks=dict.fromkeys(plan.by_path, PENDING)
        | {each["task"]: TaskState(each["status"]) for each in reused_tasks(body)},
        reused_tasks={each["task"]: each["run_id"] for each in reused_tasks(body)},
    )


def apply(
    state: RunState,
    type_: str,
    body: Any,  # noqa: ANN401 - the body of any type, named where the type is known
    metadata: Metadata,
) -> None:
    """Fold one event into a state, which is changed: pass a copy that nobody else holds.

    Raises:
        BrokenStream: the state does not allow the event.
        UnknownEventTypes: this release does not know it.
    """
    status = next_run_status(state.status, type_)
    if status is None:
        _reject(state, type_)
    state.version += 1
    report = metadata.get("report")
    if report is not None:
        refused: ReportRefused | None = body if type_ == types.REPORT_REFUSED else None
        _record_report(state, report, refused and refused["reason"])
    if type_ in types.TASK_TYPES:
        _apply_to_task(state, type_, body)
    elif type_ == types.RUN_CLAIMED:
        claimed: RunClaimed = body
        state.worker, state.epoch = claimed["worker"], claimed["epoch"]
    elif type_ == types.RUN_STARTED:
        state.started = state.started or LifecycleEvent(state.version, type_, report is not None)
    elif type_ in types.RUN_ENDS:
        state.ended = LifecycleEvent(state.version, type_, report is not None)
    elif type_ == types.RUN_UNLISTED:
        state.unlisted = True
    state.status = status


def _reject(state: RunState, type_: str) -> NoReturn:
    if type_ not in RUN_EVENTS:
        raise UnknownEventTypes((type_,))
    raise BrokenStream(f"{type_} may not follow: run {state.run_id} is {state.status}")


def _record_report(state: RunState, report: ReportKey, refused: str | None) -> None:
    key, fingerprint = report["id"], report["fingerprint"]
    if key in state.reports:
        key = conflicting_report_key(key, fingerprint)
    state.reports[key] = ReportRecord(state.version, fingerprint, refused)


def _apply_to_task(
    state: RunState,
    type_: str,
    body: Any,  # noqa: ANN401 - as of `apply`
) -> None:
    about: TaskBody = body
    path = about["task"]
    task = state.tasks.get(path)
    change = task_change(type_, body)
    status = TASK_TRANSITIONS[task.status].get(change) if task else None
    if task is None or status is None:
        raise BrokenStream(f"{type_} may not follow: task {path} of run {state.run_id} is {task}")
    if type_ == types.TASK_OUTPUT_RECORDED:
        return
    failed: TaskFailed = body  # only where the type says so
    lost = change == LOST_WILL_RETRY
    state.tasks[path] = TaskState(
        status,
        attempt=task.attempt + (type_ == types.TASK_STARTED),
        lost_attempts=task.lost_attempts + lost,
        worker_crashes=task.worker_crashes + (lost and not failed.get("given_back")),
    )
    if status == "failed" and not state.failing:
        state.failing, state.reason = True, failed["reason"]
