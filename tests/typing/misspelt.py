"""Mistakes that mypy must find: each line with a comment ``# E: code`` is one.

Only `test_misspelt` reads this file. Nothing runs it.
"""

from events import bodies, types
from events.codec import encode_body
from events.envelope import Event
from service.runs.domain.draft import Draft


def writes_a_member_that_the_body_has_not(run_id: str) -> bytes:
    return encode_body(bodies.SlotTaken(runid=run_id))  # E: typeddict-item


def writes_a_literal_with_a_misspelt_member(worker: str) -> bodies.RunClaimed:
    return {"worker": worker, "epok": 1}  # E: typeddict-item


def writes_a_body_without_a_required_member(draft: Draft, path: str) -> None:
    draft.add(types.TASK_FAILED, bodies.TaskFailed(task=path, reason="lost"))  # E: typeddict-item


def writes_a_reason_that_there_is_not(path: str) -> bodies.TaskFailed:
    return {"task": path, "reason": "lots", "will_retry": False}  # E: typeddict-item


def writes_an_untyped_body(said: dict[str, object]) -> bytes:
    return encode_body(said)  # E: arg-type


def folds_a_member_that_the_body_has_not(event: Event) -> str:
    body: bodies.TaskStarted = event.data
    return body["tsak"]  # E: typeddict-item


def folds_a_member_of_another_body(event: Event) -> int:
    body: bodies.TaskFailed = event.data
    return body["attempt"]  # E: typeddict-item


def folds_a_member_as_another_type(event: Event) -> int:
    body: bodies.RunQueued = event.data
    return body["flow"]  # E: return-value


def folds_what_may_be_absent(event: Event) -> float:
    body: bodies.RunQueued = event.data
    return body.get("delay_s")  # E: return-value
