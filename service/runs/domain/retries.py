"""What follows a failed run by itself: another one, where its flow says so. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from events import types
from events.bodies import RunQueued, SlotTaken
from events.codec import encode, encode_body
from events.envelope import NewEvent
from projections.documents.flow import Plan
from service.origin import Origin, metadata_of
from service.runs.domain.draft import NewId
from service.runs.domain.retry_scope import as_carried
from service.runs.domain.state import RunState


@dataclass(frozen=True, slots=True)
class Retry:
    """A new run, to be appended together with the failure that it follows.

    ``slot_taken`` keeps the slot of an exclusive flow in the chain; None where there is no slot.
    """

    run_id: str
    queued: NewEvent
    slot_taken: NewEvent | None


def is_retried(plan: Plan, before: RunState, after: RunState) -> bool:
    """Tell whether another run follows what became of this one.

    It does where the run has just failed, its chain may be longer than it is, and nobody had asked
    for the end.
    """
    asked_for = before.has_ended or before.status == "cancelling"
    return after.status == "failed" and not asked_for and after.attempt <= plan.retries


def retried(
    plan: Plan,
    failed: RunState,
    end: NewEvent,
    *,
    origin: Origin,
    run_number: int,
    new_id: NewId,
) -> Retry:
    """Make the run that follows a failed one, whose end is caused by a command of that origin.

    It is of the same version of the flow, and was started by whoever started the first of its
    chain, in the same way: it only goes on with that.
    """
    run_id, metadata = new_id(), encode(metadata_of(origin))

    def made(type_: str, body: RunQueued | SlotTaken, cause: str) -> NewEvent:
        return NewEvent(
            new_id(),
            type_,
            encode_body(body),
            origin.actor,
            metadata=metadata,
            correlation_id=failed.root_run,
            causation_id=cause,
        )

    body = _body(plan, failed, run_id=run_id, run_number=run_number)
    queued = made(types.RUN_QUEUED, body, end.event_id)
    if not failed.exclusive:
        return Retry(run_id, queued, None)
    return Retry(run_id, queued, made(types.SLOT_TAKEN, SlotTaken(run_id=run_id), queued.event_id))


def _body(plan: Plan, failed: RunState, *, run_id: str, run_number: int) -> RunQueued:
    body: RunQueued = {
        "run_id": run_id,
        "run_number": run_number,
        "flow": failed.fullname,
        "flow_version": failed.flow_version,
        "executor": failed.executor,
        "exclusive": failed.exclusive,
        "payload": failed.payload,
        "comment": failed.comment,
        "trigger": failed.trigger,
        "started_by": failed.started_by,
        "attempt": failed.attempt + 1,
        "retry_of": failed.run_id,
        "root_run": failed.root_run,
        "root_run_number": failed.root_run_number,
    }
    if failed.project is not None:
        body["project"] = failed.project
    if plan.retry_delay_s:
        body["delay_s"] = plan.retry_delay_s
    if failed.carried:
        body["carried"] = [as_carried(path, failed) for path in failed.carried]
    return body
