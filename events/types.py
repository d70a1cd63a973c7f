"""The event types: their names, streams and newest schema versions. Never renamed, never reused."""

from __future__ import annotations

from typing import Final

RUN_QUEUED: Final = "RunQueued"
RUN_CLAIMED: Final = "RunClaimed"
RUN_STARTED: Final = "RunStarted"
RUN_CANCEL_REQUESTED: Final = "RunCancelRequested"
RUN_SUCCEEDED: Final = "RunSucceeded"
RUN_WARNED: Final = "RunWarned"
RUN_FAILED: Final = "RunFailed"
RUN_CANCELLED: Final = "RunCancelled"
RUN_UNLISTED: Final = "RunUnlisted"
REPORT_REFUSED: Final = "ReportRefused"
CORRECTION_RECORDED: Final = "CorrectionRecorded"

TASK_STARTED: Final = "TaskStarted"
TASK_SUCCEEDED: Final = "TaskSucceeded"
TASK_WARNED: Final = "TaskWarned"
TASK_FAILED: Final = "TaskFailed"
TASK_CANCELLED: Final = "TaskCancelled"
TASK_SKIPPED: Final = "TaskSkipped"
TASK_OUTPUT_RECORDED: Final = "TaskOutputRecorded"

SLOT_TAKEN: Final = "SlotTaken"
SLOT_FREED: Final = "SlotFreed"

FLOW_REGISTERED: Final = "FlowRegistered"
FLOW_RETIRED: Final = "FlowRetired"

KEY_CREATED: Final = "KeyCreated"
KEY_REVOKED: Final = "KeyRevoked"
REBUILD_STARTED: Final = "RebuildStarted"
REBUILD_FINISHED: Final = "RebuildFinished"
EVENT_SKIPPED: Final = "EventSkipped"
LEDGER_HELD: Final = "LedgerHeld"
LEDGER_RESUMED: Final = "LedgerResumed"

RUN_ENDS: Final = frozenset({RUN_SUCCEEDED, RUN_WARNED, RUN_FAILED, RUN_CANCELLED})
"""A run's last state-changing event is one of these."""

RUN_TYPES: Final = RUN_ENDS | {
    RUN_QUEUED,
    RUN_CLAIMED,
    RUN_STARTED,
    RUN_CANCEL_REQUESTED,
    RUN_UNLISTED,
    REPORT_REFUSED,
    CORRECTION_RECORDED,
}
TASK_ENDS: Final = frozenset(
    {TASK_SUCCEEDED, TASK_WARNED, TASK_FAILED, TASK_CANCELLED, TASK_SKIPPED}
)
"""A task's last event is one of these (a TaskFailed that will be retried is not its last)."""

TASK_TYPES: Final = TASK_ENDS | {TASK_STARTED, TASK_OUTPUT_RECORDED}
SLOT_TYPES: Final = frozenset({SLOT_TAKEN, SLOT_FREED})
CATALOGUE_TYPES: Final = frozenset({FLOW_REGISTERED, FLOW_RETIRED})
HOLD_TYPES: Final = frozenset({LEDGER_HELD, LEDGER_RESUMED})
ADMINISTRATION_TYPES: Final = HOLD_TYPES | {
    KEY_CREATED,
    KEY_REVOKED,
    REBUILD_STARTED,
    REBUILD_FINISHED,
    EVENT_SKIPPED,
}

SCHEMA_VERSIONS: Final = dict.fromkeys(
    RUN_TYPES | TASK_TYPES | SLOT_TYPES | CATALOGUE_TYPES | ADMINISTRATION_TYPES, 1
)
"""Newest schema version of every event type this release knows."""

CATALOGUE_STREAM: Final = "flows"
"""The stream of a tenant's catalogue of flows."""

ADMINISTRATION_STREAM: Final = "administration"
"""The stream of the ledger's administration, of the tenant ``*``."""

EVERY_TENANT: Final = "*"


def run_stream(run_id: str) -> str:
    """Name the stream of a run.

    >>> run_stream("5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4")
    'run:5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4'
    """
    return f"run:{run_id}"


def run_id_of(stream: str) -> str | None:
    """Name the run whose stream this is, or None for another kind of stream.

    >>> run_id_of("run:5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4")
    '5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4'
    >>> run_id_of("flows")
    """
    return stream[4:] if stream.startswith("run:") else None


def slot_stream(fullname: str) -> str:
    """Name the stream that an exclusive flow's runs take in turn.

    >>> slot_stream("example.PLAN")
    'slot:example.PLAN'
    """
    return f"slot:{fullname}"
