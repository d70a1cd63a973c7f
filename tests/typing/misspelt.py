"""Mistakes that mypy must find: each line with a comment ``# E: code`` is one.

Only `test_misspelt` reads this file. Nothing runs it.
"""

from collections.abc import Mapping

from aiohttp import web

from events import bodies, types
from events.codec import encode_body
from events.envelope import Event
from projections.documents.lifecycle import RunStatus
from projections.documents.run import ExecutionDocument, RunDocument
from projections.documents.task import WorkflowDocument
from service.dialects.etlworks import rendering
from service.http.messages import cached_response
from service.runs.domain.draft import Draft
from service.runs.read.query_api import QueryApi


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


def a_dialect_reads_a_member_that_no_run_has(run: RunDocument) -> str:
    return run["fulname"]  # E: typeddict-item


def a_dialect_reads_tasks_of_a_run_that_is_read_without_them(run: ExecutionDocument) -> int:
    return len(run["tasks"])  # E: typeddict-item


def a_dialect_reads_a_member_that_no_task_has(run: WorkflowDocument) -> list[str]:
    return [task["satus"] for task in run["tasks"]]  # E: typeddict-item


async def a_handler_reads_a_member_that_no_load_plan_has(queries: QueryApi) -> str:
    document = await queries.load_plan("acme", 42)
    return document["run"]["stauts"]  # E: typeddict-item


async def a_handler_reads_a_member_that_no_row_of_a_list_has(queries: QueryApi) -> object:
    page = await queries.page("acme", None, 0, 10)
    return page.rows[0]["metrics"]  # E: typeddict-item


def a_dialect_words_a_status_that_there_is_not() -> Mapping[RunStatus, str]:
    return {"canceled": "CANCELED"}  # E: dict-item


def a_handler_compares_with_a_status_that_there_is_not(run: RunDocument) -> bool:
    return run["status"] == "canceled"  # E: comparison-overlap


def a_fold_sets_a_status_that_there_is_not(run: RunDocument) -> None:
    run["status"] = "canceled"  # E: typeddict-item


def a_response_is_rendered_from_another_document(run: ExecutionDocument) -> web.Response:
    return cached_response(rendering.log, run)  # E: arg-type
