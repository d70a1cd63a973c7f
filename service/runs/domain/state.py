"""A run as the decider sees it: folded from the events of its stream, nothing else."""

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
from projections.documents.run import carried
from service.runs.domain.errors import BrokenStream
from service.runs.domain.transitions import (
    LOST_WILL_RETRY,
    RUN_ENDED,
    RUN_EVENTS,
    RunStatus,
    TaskStatus,
    happening,
    next_run_status,
    next_task_status,
)


@dataclass(frozen=True, slots=True)
class TaskState:
    """Where a task stands: ``attempt`` counts its starts, ``losses`` those lost with their worker.

    ``deaths`` are the losses that their worker did not announce by giving the task back.
    """

    status: TaskStatus = "pending"
    attempt: int = 0
    losses: int = 0
    deaths: int = 0


PENDING: Final = TaskState()


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a report: the version that keeps it, and the reason if it was refused."""

    version: int
    fingerprint: str
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The event that started or ended a run; not ``reported`` where the ledger concluded it."""

    version: int
    type: str
    reported: bool


@dataclass(slots=True)
class RunState:
    """A run after some events of its stream.

    A value: `evolve` and `fold` return a new one, only a decision under way changes its own copy.
    ``carried`` names for each task that is not run again the earlier run in which it was done.
    ``seen`` holds each report by the reporter's id, and one that used the id of another by
    `other_use`. ``reason`` is that of the first final failure.
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
    carried: Mapping[str, str] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    version: int = 1
    status: RunStatus = "queued"
    failing: bool = False
    reason: FailureReason | None = None
    worker: str = ""
    epoch: int = 0
    started: Mark | None = None
    ended: Mark | None = None
    unlisted: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether the run stands in a state that nothing leaves."""
        return self.status in RUN_ENDED

    def copy(self) -> RunState:
        """Copy for a decision to work on."""
        twin = object.__new__(RunState)
        for name in RunState.__slots__:  # a fifth of what dataclasses.replace takes
            setattr(twin, name, getattr(self, name))
        twin.tasks, twin.seen = dict(self.tasks), dict(self.seen)
        return twin


def other_use(event_id: str, fingerprint: str) -> str:
    """Name the second, different event under a reporter's id (which never contains NUL)."""
    return f"{event_id}\0{fingerprint}"


def evolve(plan: Plan, state: RunState | None, event: Event) -> RunState:
    """Fold one event into a run; None is the run before its first event.

    Raises:
        BrokenStream: the event may not follow, or names a task that the plan has not.
        UnknownEventTypes: a newer release wrote it.
    """
    return fold(plan, (event,), state)


def fold(plan: Plan, events: Iterable[Event], state: RunState | None = None) -> RunState:
    """Fold the events of a run's stream, in order and from its first on unless a state is given.

    Raises:
        BrokenStream: as `evolve`, and for no events at all.
        UnknownEventTypes: a newer release wrote one.
    """
    folded = None if state is None else state.copy()
    for event in events:
        if folded is None:
            folded = born(plan, event.type, event.data, event.event_id)
        else:
            apply(folded, event.type, event.data, event.metadata)
    if folded is None:
        raise BrokenStream("a run without events")
    return folded


def born(plan: Plan, type_: str, data: RunQueued, event_id: str) -> RunState:
    """Read a new run from the body of its `RunQueued`.

    Raises:
        BrokenStream: it is another event.
    """
    if next_run_status(None, type_) is None:
        raise BrokenStream(f"a run begins with RunQueued, not with {type_}")
    return RunState(
        run_id=data["run_id"],
        run_number=data["run_number"],
        fullname=data["flow"],
        flow_version=data["flow_version"],
        executor=data["executor"],
        exclusive=data["exclusive"],
        payload=data["payload"],
        comment=data["comment"],
        project=data.get("project"),
        trigger=data["trigger"],
        started_by=data["started_by"],
        attempt=data["attempt"],
        root_run=data["root_run"],
        root_run_number=data["root_run_number"],
        queued_id=event_id,
        tasks=dict.fromkeys(plan.by_path, PENDING)
        | {each["task"]: TaskState(each["status"]) for each in carried(data)},
        carried={each["task"]: each["run_id"] for each in carried(data)},
    )


def apply(
    state: RunState,
    type_: str,
    body: Any,  # noqa: ANN401 - the body of any type, named where the type is known
    metadata: Metadata,
) -> None:
    """Fold one event into a copy that nobody else holds.

    Raises:
        BrokenStream: the event may not follow.
        UnknownEventTypes: this release does not know it.
    """
    status = next_run_status(state.status, type_)
    if status is None:
        _refuse(state, type_)
    state.version += 1
    report = metadata.get("report")
    if report is not None:
        refused: ReportRefused | None = body if type_ == types.REPORT_REFUSED else None
        _see(state, report, refused and refused["reason"])
    if type_ in types.TASK_TYPES:
        _apply_to_task(state, type_, body)
    elif type_ == types.RUN_CLAIMED:
        claimed: RunClaimed = body
        state.worker, state.epoch = claimed["worker"], claimed["epoch"]
    elif type_ == types.RUN_STARTED:
        state.started = state.started or Mark(state.version, type_, report is not None)
    elif type_ in types.RUN_ENDS:
        state.ended = Mark(state.version, type_, report is not None)
    elif type_ == types.RUN_UNLISTED:
        state.unlisted = True
    state.status = status


def _refuse(state: RunState, type_: str) -> NoReturn:
    if type_ not in RUN_EVENTS:
        raise UnknownEventTypes((type_,))
    raise BrokenStream(f"{type_} may not follow: run {state.run_id} is {state.status}")


def _see(state: RunState, report: ReportKey, refused: str | None) -> None:
    key, fingerprint = report["id"], report["fingerprint"]
    if key in state.seen:
        key = other_use(key, fingerprint)
    state.seen[key] = Seen(state.version, fingerprint, refused)


def _apply_to_task(
    state: RunState,
    type_: str,
    body: Any,  # noqa: ANN401 - as of `apply`
) -> None:
    about: TaskBody = body
    path = about["task"]
    task = state.tasks.get(path)
    status = next_task_status(task.status, type_, about) if task else None
    if task is None or status is None:
        raise BrokenStream(f"{type_} may not follow: task {path} of run {state.run_id} is {task}")
    if type_ == types.TASK_OUTPUT_RECORDED:
        return
    failed: TaskFailed = body  # only where the type says so
    lost = happening(type_, body) == LOST_WILL_RETRY
    state.tasks[path] = TaskState(
        status,
        attempt=task.attempt + (type_ == types.TASK_STARTED),
        losses=task.losses + lost,
        deaths=task.deaths + (lost and not failed.get("given_back")),
    )
    if status == "failed" and not state.failing:
        state.failing, state.reason = True, failed["reason"]
