"""Renders runs, tasks and flows as Director does: the objects and the bytes.

Source: the answers of celery-director 0.9.0 and 0.10.0 on Postgres.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson
from aiohttp import web

from projections.documents.flow import FlowDocument
from projections.documents.report_values import Failure
from projections.documents.run import RunDocument
from projections.documents.task import TaskDocument, WorkflowDocument
from service.dialects.director.statuses import TASKS, has_failed, workflow_status

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - written without its offset
_ESCAPED: Final = re.compile("[^\x00-\x7e]")
_NOT_RUN: Final = frozenset({"pending", "skipped", "cancelled"})


def answer(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON whose type is exactly ``application/json``."""
    return web.Response(
        body=encode(body), status=status, headers=headers, content_type="application/json"
    )


def encode(body: object) -> bytes:
    r"""Write compact JSON with sorted keys, ASCII only, and a newline at the end.

    >>> encode({"b": "é", "a": [1, None]})
    b'{"a":[1,null],"b":"\\u00e9"}\n'
    """
    try:
        raw = orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        # A lone surrogate, quoted from the request in an error.
        return json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    if raw.isascii() and b"\x7f" not in raw:
        return raw
    # JSON is ASCII outside of strings, so every other character can be escaped in place.
    return _ESCAPED.sub(_escape, raw.decode()).encode("ascii")


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def timestamp(time_us: int) -> str:
    """Format a time: ``+00:00``, six digits of microseconds, or none if they are zero.

    >>> timestamp(1_577_836_800_000_000), timestamp(1_577_836_800_000_001)
    ('2020-01-01T00:00:00+00:00', '2020-01-01T00:00:00.000001+00:00')
    """
    seconds, micros = divmod(time_us, 1_000_000)
    fraction = f".{micros:06d}" if micros else ""
    return f"{_second(seconds)}{fraction}+00:00"


# Clients poll lists, so the same rows, and the same seconds, recur.
@lru_cache(maxsize=10_000)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def workflow(run: RunDocument) -> dict[str, Any]:
    """Render a run as a workflow, for lists and for the answer to a start."""
    rendered = workflow_without_payload(run)
    rendered["payload"] = run["payload"]
    return rendered


def workflow_without_payload(run: RunDocument) -> dict[str, Any]:
    """Render a run as a workflow without ``payload``; ``comment`` only if there is one."""
    fullname = run["fullname"]
    project = run.get("project") or fullname.partition(".")[0]
    rendered = {
        "created": timestamp(run["created_us"]),
        "fullname": fullname,
        "id": run["run_id"],
        "name": fullname[len(project) + 1 :],
        "periodic": run["trigger"] == "schedule",
        "project": project,
        "status": workflow_status(run),
        "updated": timestamp(run["updated_us"]),
    }
    if run["comment"] is not None:
        rendered["comment"] = run["comment"]
    return rendered


def workflow_with_tasks(run: WorkflowDocument) -> dict[str, Any]:
    """Render a run with its tasks in the order of the definition, hooks last."""
    rendered = workflow(run)
    rendered["tasks"] = [_task(task) for task in _visible_tasks(run)]
    return rendered


def _visible_tasks(run: WorkflowDocument) -> Iterable[TaskDocument]:
    """Leave out a failure hook that Director would not have created yet."""
    failed = has_failed(run)
    for task in run["tasks"]:
        if failed or task["hook"] != "failure" or task["status"] not in _NOT_RUN:
            yield task


def _task(task: TaskDocument) -> dict[str, Any]:
    hook = task["hook"] is not None
    return {
        "created": timestamp(task["created_us"]),
        "id": task["id"],
        "is_hook": hook,
        "key": task["key"],
        "previous": [] if hook else list(task["previous"]),
        "result": _result(task),
        "status": TASKS[task["status"]],
        "task": task["id"],
        "updated": timestamp(task["updated_us"]),
    }


def _result(task: TaskDocument) -> object:
    match task["status"]:
        case "succeeded" | "warned":
            return task["result"]
        case "failed":
            return _failure(task["error"])
        case _:
            return None


def _failure(error: Failure | None) -> dict[str, str]:
    """Render a failure; the reason stands for an exception that a timeout or a loss lacks."""
    if error is None:
        return {"exception": "", "traceback": ""}
    reason, traceback = error["reason"], error["traceback"] or ""
    message = error["exception"] or ("" if reason == "error" else reason)
    # For an exception without a message the ledger stores its type; Director shows the message.
    is_bare_type = message and traceback.rstrip().endswith((f"\n{message}", f".{message}"))
    return {"exception": "" if is_bare_type else message, "traceback": traceback}


def definition(flow: FlowDocument) -> dict[str, Any]:
    """Render a flow: the three names, then its file's mapping verbatim, which takes precedence."""
    names = {key: flow[key] for key in ("fullname", "project", "name")}
    return {**names, **flow["definition"]}
