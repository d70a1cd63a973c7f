"""The body of each event type: what a writer stores and what a fold reads.

A body is a JSON object. A member that is not `NotRequired` is in every stored body; members that
may be null say so in their type. A reporter may add members of its own, which are kept.
``docs/reference/events.md`` is generated from this module by `events.reference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from events import types

JsonObject = Mapping[str, Any]
"""Any JSON object: its members are not the ledger's to name."""

Executor = Literal["in_process", "external"]
Trigger = Literal["on_demand", "message", "schedule", "retry"]
FailureReason = Literal["error", "timeout", "lost"]
Hook = Literal["success", "failure"]
TaskType = Literal["python", "command"]
RebuildPurpose = Literal["replace", "roll back"]
RebuildOutcome = Literal["replaced", "rolled back", "cancelled"]


# What a RunQueued carries.


class ReusedTask(TypedDict):
    """A task that a retry does not run again."""

    task: Annotated[str, "Path of the task in the plan."]
    run_id: Annotated[str, "Id of the earlier run in which the task was done."]
    status: Annotated[Literal["succeeded", "warned"], "How the task ended there."]


class ScheduledStart(TypedDict):
    """The due time at which a schedule started a run."""

    due_at: Annotated[str, "Due time: RFC 3339, UTC, with microseconds."]
    late_s: Annotated[int, "Seconds from the due time to the start."]
    missed: Annotated[int | None, "Due times passed over since the last start; null: not known."]


class RunQueued(TypedDict):
    """A run was created and waits to be executed. It is the first event of every run."""

    run_id: Annotated[str, "Id of the run: a lower-case UUID."]
    run_number: Annotated[int, "Number of the run, unique in the ledger, from 1."]
    flow: Annotated[str, "Full name of the flow: its project, a dot, its name."]
    flow_version: Annotated[int, "Version of the flow that the run executes."]
    executor: Annotated[
        Executor, "`in_process`: a worker executes the run; `external`: another system reports it."
    ]
    exclusive: Annotated[bool, "Whether the run takes the slot of its flow."]
    payload: Annotated[JsonObject, "Parameters of the run."]
    comment: Annotated[str | None, "Free text of whoever started the run."]
    trigger: Annotated[Trigger, "What started the run."]
    started_by: Annotated[str, "Name of the credential that started the run."]
    attempt: Annotated[int, "Place of the run in its chain of retries, from 1."]
    retry_of: Annotated[str | None, "Id of the run that this one retries."]
    root_run: Annotated[str, "Id of the first run of the chain; of a first run, its own id."]
    root_run_number: Annotated[int, "Number of the first run of the chain."]
    project: NotRequired[
        Annotated[str, "Project part of the full name, where it does not end at the first dot."]
    ]
    carried: NotRequired[
        Annotated[Sequence[ReusedTask], "Tasks that are done from the beginning, in plan order."]
    ]
    schedule: NotRequired[Annotated[ScheduledStart, "Due time, where a schedule started the run."]]
    delay_s: NotRequired[
        Annotated[float, "Seconds to wait before the run may begin; absent: none."]
    ]


# A run after its first event.


class RunClaimed(TypedDict):
    """A worker took the run; another worker's reports on it are refused from here on."""

    worker: Annotated[str, "Id of the worker: a UUID, new with each start of a process."]
    epoch: Annotated[int, "Number of the claim, from 1; reports carry it."]


class RunStarted(TypedDict):
    """The run began to execute: the ledger adds it before the first event about a task."""


class RunCancelRequested(TypedDict):
    """Somebody asked for the run to be cancelled."""

    force: Annotated[bool, "Whether the run ends without waiting for running tasks."]


class RunOutcome(TypedDict):
    """What a reporter may say of the whole run at its end."""

    warnings: NotRequired[Annotated[Sequence[str], "Warnings about the run as a whole."]]
    metrics: NotRequired[Annotated[JsonObject, "Measurements of the run as a whole."]]


class RunSucceeded(RunOutcome):
    """The run ended and nothing failed."""


class RunWarned(RunOutcome):
    """The run ended, nothing failed, and at least one task ended with warnings."""


class FailureDetail(TypedDict):
    """What a reporter may say of a failure."""

    exception: NotRequired[Annotated[str, "Message of the error."]]
    traceback: NotRequired[Annotated[str, "Stack trace; its end, where it is too long."]]
    statement: NotRequired[Annotated[str, "Statement that failed, as SQL."]]
    line: NotRequired[Annotated[int, "Line of the statement that failed."]]


class RunFailed(RunOutcome, FailureDetail):
    """The run ended in failure."""

    reason: Annotated[FailureReason, "Why: of a failed task, that of the first final failure."]


class RunCancelled(RunOutcome):
    """The run ended before its work was done, because it was cancelled."""


class RunUnlisted(TypedDict):
    """An ended run left the lists of runs; it is still found by its ids."""

    offset: Annotated[int, "Newer runs that the lists of the flow keep."]


class ReportRefused(TypedDict):
    """A report, or a request to cancel, could not be accepted; it changes nothing."""

    type: Annotated[str, "Event type that was reported, or `CancelRun`."]
    task: Annotated[str | None, "Path of the task, or the name that was reported for it."]
    reason: Annotated[str, "Why it was refused."]
    data: Annotated[JsonObject, "Body that was reported; empty where it was too large."]


class CorrectionRecorded(TypedDict):
    """An auditor recorded what is wrong in an event; the event and all read models stay."""

    position: Annotated[int, "Position of the event that is wrong."]
    version: Annotated[int, "Version of that event in the run's stream."]
    reason: Annotated[str, "What is wrong, in words."]
    data: Annotated[JsonObject, "What should have been recorded."]


# A task of a run.


class TaskOutput(TypedDict):
    """The task that an event is about, and what a reporter may say of its work."""

    task: Annotated[str, "Path of the task in the plan."]
    result: NotRequired[Annotated[Any, "Result of the task: any JSON value."]]
    warnings: NotRequired[Annotated[Sequence[str], "Warnings, added to those before."]]
    metrics: NotRequired[Annotated[JsonObject, "Measurements, in place of those before."]]
    log: NotRequired[Annotated[str, "What the task printed; its end, where it is too long."]]


class TaskStarted(TaskOutput):
    """An attempt at a task began."""

    attempt: Annotated[int, "Number of the attempt, from 1."]


class TaskSucceeded(TaskOutput):
    """The task did its work."""


class TaskWarned(TaskOutput):
    """The task did its work, with warnings."""


class TaskFailed(TaskOutput, FailureDetail):
    """An attempt at a task failed."""

    reason: Annotated[FailureReason, "Why; `lost`: its worker went away."]
    will_retry: Annotated[bool, "Whether another attempt follows; if not, the task has failed."]
    given_back: NotRequired[
        Annotated[bool, "Whether a stopping worker gave the task back; such a loss is not counted."]
    ]


class TaskCancelled(TaskOutput):
    """The task ended, or never began, because its run was cancelled."""


class TaskSkipped(TaskOutput):
    """The task will not run: what it waits for failed, or its hook does not apply."""


class TaskOutputRecorded(TaskOutput):
    """A task reported output; its state does not change."""

    attempt: Annotated[int, "Number of the attempt that it is from; 0 before the first."]


# The slot of an exclusive flow.


class SlotTaken(TypedDict):
    """A run of an exclusive flow took the flow's slot: no other may start meanwhile."""

    run_id: Annotated[str, "Id of the run that holds the slot."]


class SlotFreed(TypedDict):
    """The run that held the slot ended: another may start."""

    run_id: Annotated[str, "Id of the run that held the slot."]


# The catalogue of flows.


class PlanTaskBody(TypedDict):
    """A task of a plan."""

    path: Annotated[str, "Name of the task, unique in the plan and in all its versions."]
    key: Annotated[str, "Name that the task has in the file of flows."]
    previous: Annotated[Sequence[str], "Paths of the tasks that it waits for."]
    groups: Annotated[Sequence[str], "Groups around the task, the outermost first."]
    hook: Annotated[Hook | None, "The outcome after which a hook runs; null: no hook."]
    type: Annotated[TaskType, "What the task is: a Python function or a command."]
    retries: Annotated[int, "Further attempts after a failed one."]
    timeout_s: Annotated[float | None, "Seconds that an attempt may take; null: no limit."]
    options: Annotated[JsonObject, "Of a command: `command`, `environment`, `directory`."]


class PlanTableBody(TypedDict):
    """A table of a load plan."""

    name: Annotated[str, "Name of the table."]
    task: Annotated[str, "Path of the task that loads it."]


class PlanSchemaBody(TypedDict):
    """A schema of a load plan."""

    name: Annotated[str, "Name of the schema."]
    tables: Annotated[Sequence[PlanTableBody], "Its tables, in order."]


class PlanGroupBody(TypedDict):
    """A group of a load plan."""

    name: Annotated[str, "Name of the group."]
    schemas: Annotated[Sequence[PlanSchemaBody], "Its schemas, in order."]
    tasks: Annotated[Sequence[str], "Paths of the tasks of a group without schemas."]


class PlanBody(TypedDict):
    """The tasks of a flow and what each waits for."""

    tasks: Annotated[Sequence[PlanTaskBody], "All tasks in the order written, hooks last."]
    groups: Annotated[Sequence[PlanGroupBody], "Groups of a load plan, in order."]
    retries: NotRequired[Annotated[int, "Runs that follow a failed one; absent: none."]]
    retry_delay_s: NotRequired[Annotated[float, "Seconds from a failure to the run after it."]]


class FlowRegistered(TypedDict):
    """A flow was added to the tenant's catalogue, or a new version of it."""

    fullname: Annotated[str, "Name of the flow, unique in the tenant: project, dot, name."]
    project: Annotated[str, "Project part of the full name."]
    name: Annotated[str, "Name of the flow in its project."]
    version: Annotated[int, "Version of the flow, from 1."]
    number: Annotated[int, "Number of the flow, unique in the tenant, of all its versions."]
    executor: Annotated[Executor, "Who executes its runs, as in `RunQueued`."]
    exclusive: Annotated[bool, "Whether only one run of it may be open."]
    timeout_s: Annotated[float | None, "Seconds that a run may take; null: no limit."]
    ids: Annotated[Mapping[str, JsonObject], "Ids of the flow by vendor."]
    definition: Annotated[JsonObject, "What the file of flows says of it, as written."]
    plan: Annotated[PlanBody, "Its tasks and what each waits for."]
    payload_schema: Annotated[
        str | None, "JSON Schema of the payload: its text, keys in the order written."
    ]


class FlowRetired(TypedDict):
    """A flow was taken from the tenant's catalogue: it cannot be started any more."""

    fullname: Annotated[str, "Full name of the flow."]
    version: Annotated[int, "Its newest version."]


# The administration of the ledger.


class KeyRevoked(TypedDict):
    """A credential was revoked for ever."""

    key_id: Annotated[str, "Id of the credential: a UUID."]
    tenant: Annotated[str, "Its tenant; `*`: all tenants."]
    name: Annotated[str, "Its name: the `actor` of events that come through it."]
    role: Annotated[str, "What it may do."]


class KeyCreated(TypedDict):
    """A credential was created; its secrets are not in the log."""

    key_id: Annotated[str, "Id of the credential: a UUID."]
    tenant: Annotated[str, "Its tenant; `*`: all tenants."]
    name: Annotated[str, "Its name: the `actor` of events that come through it."]
    role: Annotated[str, "What it may do."]
    expires_at: NotRequired[
        Annotated[str, "When it stops to be valid: RFC 3339, UTC; absent: never."]
    ]


class RebuildStarted(TypedDict):
    """A rebuild of a read model began."""

    rebuild_id: Annotated[str, "Id of the rebuild: a UUID."]
    projection: Annotated[str, "Name of the read model."]
    version: Annotated[int, "Version of the read model that the rebuild makes."]
    purpose: Annotated[RebuildPurpose, "What the rebuild is for."]
    shape: Annotated[int, "Version of the tables and the fold."]


class RebuildFinished(TypedDict):
    """A rebuild of a read model ended."""

    rebuild_id: Annotated[str, "Id of the rebuild: a UUID."]
    projection: Annotated[str, "Name of the read model."]
    version: Annotated[int, "Version of the read model that the rebuild made."]
    purpose: Annotated[RebuildPurpose, "What the rebuild was for."]
    outcome: Annotated[RebuildOutcome, "What it came to."]
    previous: Annotated[int | None, "Version that answered before; null: nothing was switched."]
    position: Annotated[int | None, "Position at which the new version took over."]


class EventSkipped(TypedDict):
    """An operator had a read model pass over an event that it could not apply."""

    projection: Annotated[str, "Name of the read model."]
    version: Annotated[int, "Version of the read model."]
    position: Annotated[int, "Position of the event that is skipped."]
    reason: Annotated[str, "Why, in the operator's words."]


class LedgerHeld(TypedDict):
    """The ledger was put on hold: it is read, and starts and executes nothing."""

    reason: Annotated[str, "Why, in the operator's words."]


class LedgerResumed(TypedDict):
    """The ledger was taken off hold: it starts and executes again."""

    reason: Annotated[str, "Why, in the operator's words."]


# What an event carries beside its body.


class ReportKey(TypedDict):
    """The report that an event keeps."""

    id: Annotated[str, "Id that the reporter gave: the idempotency key in the run."]
    fingerprint: Annotated[str, "Half a SHA-256 of the report: tells a repeat from another."]


class Metadata(TypedDict):
    """Through what an event came; empty members are left out."""

    source: NotRequired[
        Annotated[str, "A dialect, `api`, `cli`, `executor`, `schedule` or `retention`."]
    ]
    key_id: NotRequired[Annotated[str, "Id of the credential."]]
    remote: NotRequired[Annotated[str, "Network address of the caller."]]
    request_id: NotRequired[Annotated[str, "Id of the request."]]
    worker: NotRequired[Annotated[str, "Id of the worker that reported."]]
    epoch: NotRequired[Annotated[int, "Claim under which the worker reported."]]
    report: NotRequired[Annotated[ReportKey, "The report that the event keeps."]]


TaskBody = (
    TaskStarted
    | TaskSucceeded
    | TaskWarned
    | TaskFailed
    | TaskCancelled
    | TaskSkipped
    | TaskOutputRecorded
)
"""A body of one of `events.types.TASK_TYPES`."""

RunEndBody = RunSucceeded | RunWarned | RunFailed | RunCancelled
"""A body of one of `events.types.RUN_ENDS`."""

RunBody = (
    RunClaimed
    | RunStarted
    | RunCancelRequested
    | RunEndBody
    | RunUnlisted
    | ReportRefused
    | CorrectionRecorded
    | TaskBody
)
"""A body of an event in a run's stream, after its first."""

CatalogueBody = FlowRegistered | FlowRetired
AdministrationBody = (
    KeyCreated
    | KeyRevoked
    | RebuildStarted
    | RebuildFinished
    | EventSkipped
    | LedgerHeld
    | LedgerResumed
)
Body = RunQueued | RunBody | SlotTaken | SlotFreed | CatalogueBody | AdministrationBody
"""A body of any event type."""

BODIES: Final[Mapping[str, type]] = {
    types.RUN_QUEUED: RunQueued,
    types.RUN_CLAIMED: RunClaimed,
    types.RUN_STARTED: RunStarted,
    types.RUN_CANCEL_REQUESTED: RunCancelRequested,
    types.RUN_SUCCEEDED: RunSucceeded,
    types.RUN_WARNED: RunWarned,
    types.RUN_FAILED: RunFailed,
    types.RUN_CANCELLED: RunCancelled,
    types.RUN_UNLISTED: RunUnlisted,
    types.REPORT_REFUSED: ReportRefused,
    types.CORRECTION_RECORDED: CorrectionRecorded,
    types.TASK_STARTED: TaskStarted,
    types.TASK_SUCCEEDED: TaskSucceeded,
    types.TASK_WARNED: TaskWarned,
    types.TASK_FAILED: TaskFailed,
    types.TASK_CANCELLED: TaskCancelled,
    types.TASK_SKIPPED: TaskSkipped,
    types.TASK_OUTPUT_RECORDED: TaskOutputRecorded,
    types.SLOT_TAKEN: SlotTaken,
    types.SLOT_FREED: SlotFreed,
    types.FLOW_REGISTERED: FlowRegistered,
    types.FLOW_RETIRED: FlowRetired,
    types.KEY_CREATED: KeyCreated,
    types.KEY_REVOKED: KeyRevoked,
    types.REBUILD_STARTED: RebuildStarted,
    types.REBUILD_FINISHED: RebuildFinished,
    types.EVENT_SKIPPED: EventSkipped,
    types.LEDGER_HELD: LedgerHeld,
    types.LEDGER_RESUMED: LedgerResumed,
}
"""The body of each event type."""
