"""The options of flows and tasks: checked when a file is loaded, read again when they apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from events.bodies import Executor
from service.flows import payloads
from service.flows.errors import Diagnostics, YamlPath
from service.flows.schedule import kind_of, schedule_of
from service.settings import KEEP_ALL_RUNS, MAX_KEPT_RUNS

MAX_RETRIES: Final = 100
MAX_TIMEOUT_S: Final = 366 * 24 * 3600

Options = Mapping[str, Any]
"""A flow's or a task's mapping in the file."""


def read_retries(options: Options, location: YamlPath, diagnostics: Diagnostics) -> int:
    """Read how often a failed task, or a failed run, is tried again."""
    value = options.get("retries", 0)
    if type(value) is int and 0 <= value <= MAX_RETRIES:
        return value
    message = f"retries must be a whole number from 0 to {MAX_RETRIES}, not {value!r}"
    diagnostics.add((*location, "retries"), message)
    return 0


def read_timeout(options: Options, location: YamlPath, diagnostics: Diagnostics) -> float | None:
    """Read a timeout in seconds; None where there is none."""
    if "timeout" not in options:
        return None
    value = options["timeout"]
    if type(value) in (int, float) and 0 < value <= MAX_TIMEOUT_S:
        return float(value)
    message = f"timeout must be seconds, above 0 and at most {MAX_TIMEOUT_S}, not {value!r}"
    diagnostics.add((*location, "timeout"), message)
    return None


def read_run_retries(
    flow: Options, location: YamlPath, diagnostics: Diagnostics
) -> tuple[int, float]:
    """Read how many runs may follow a failed one, and the seconds before each."""
    retries, delay = read_retries(flow, location, diagnostics), flow.get("retry_delay", 0)
    location = (*location, "retry_delay")
    if type(delay) not in (int, float) or not 0 <= delay <= MAX_TIMEOUT_S:
        message = f"retry_delay must be seconds, from 0 to {MAX_TIMEOUT_S}, not {delay!r}"
        diagnostics.add(location, message)
        return retries, 0.0
    if delay and not flow.get("retries"):
        diagnostics.add(location, "retry_delay needs retries: how often to try again")
    return retries, float(delay)


def read_executor(flow: Options, location: YamlPath, diagnostics: Diagnostics) -> Executor:
    """Read where a flow's tasks run."""
    value = flow.get("executor", "in_process")
    if value not in ("in_process", "external"):
        message = f"executor must be in_process or external, not {value!r}"
        diagnostics.add((*location, "executor"), message)
    return "external" if value == "external" else "in_process"


def read_exclusive(flow: Options, location: YamlPath, diagnostics: Diagnostics) -> bool:
    """Read whether only one run of a flow may go on at a time."""
    value = flow.get("exclusive", False)
    if not isinstance(value, bool):
        diagnostics.add((*location, "exclusive"), f"exclusive must be true or false, not {value!r}")
    return value is True


def read_ids(
    flow: Options, location: YamlPath, diagnostics: Diagnostics
) -> dict[str, dict[str, Any]]:
    """Read a customer's own vendor ids of a flow: vendor to names and ids."""
    ids = flow.get("ids", {})
    if not isinstance(ids, dict):
        message = "ids must be a mapping of vendors to their ids"
        diagnostics.add((*location, "ids"), message)
        return {}
    for vendor, names in ids.items():
        if not isinstance(names, dict) or any(type(i) not in (str, int) for i in names.values()):
            message = f"the ids of {vendor} must be a mapping of names to strings or numbers"
            diagnostics.add((*location, "ids", vendor), message)
    return {vendor: names for vendor, names in ids.items() if isinstance(names, dict)}


def check_list_options(flow: Options, location: YamlPath, diagnostics: Diagnostics) -> None:
    """Check `retention`, `rows` and `queue`, which are read from the stored definition."""
    if not _is_retention(flow.get("retention", {})):
        message = (
            f"retention must be {{offset: a whole number}}, {KEEP_ALL_RUNS} to {MAX_KEPT_RUNS}"
        )
        diagnostics.add((*location, "retention"), message)
    if flow.get("rows", "runs") not in ("runs", "tasks"):
        diagnostics.add((*location, "rows"), "rows must be runs or tasks")
    if not _is_queue(flow.get("queue", "")):
        message = "queue must be a name, or {default: name, customs: {task: name}}"
        diagnostics.add((*location, "queue"), message)


def check_periodic(
    value: Any,  # noqa: ANN401 - any JSON value
    location: YamlPath,
    diagnostics: Diagnostics,
    payload_schema: str | None = None,
) -> None:
    """Check `periodic`: one schedule, and a payload that fits the flow's schema.

    ``payload_schema`` is JSON text. The payload is empty if left out.
    """
    try:
        kind, _ = kind_of(value)
    except ValueError as error:
        diagnostics.add(location, f"periodic {error}")
        return
    try:
        schedule_of(value)
    except ValueError as error:
        diagnostics.add((*location, kind), f"periodic: {error}")
    payload, location = value.get("payload", {}), (*location, "payload")
    if not isinstance(payload, dict):
        diagnostics.add(location, "periodic: payload must be a mapping")
        return
    for text in payloads.errors_of(payload_schema, payload):
        message = f"periodic: the payload does not fit the flow's schema: {text}"
        diagnostics.add(location, message)


def retained_runs(definition: Mapping[str, Any], default: int) -> int | None:
    """Get how many of a flow's newest runs its lists keep; None: all of them.

    ``default`` is for a flow without an offset.

    >>> retained_runs({"retention": {"offset": 2}}, default=-1)
    2
    >>> retained_runs({"retention": {"offset": -1}}, default=10)
    """
    retention = definition.get("retention", {})
    # An earlier release registered values that _is_retention does not accept.
    offset = retention.get("offset", default) if _is_retention(retention) else KEEP_ALL_RUNS
    return None if offset == KEEP_ALL_RUNS else int(offset)


def _is_retention(value: object) -> bool:
    # Source: Celery Director, docs/guides/retention.md; an offset of 0 keeps none.
    if not isinstance(value, dict):
        return False
    offset = value.get("offset", KEEP_ALL_RUNS)
    return type(offset) is int and KEEP_ALL_RUNS <= offset <= MAX_KEPT_RUNS


def _is_queue(value: object) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, str)
    customs = value.get("customs", {})
    names = [value.get("default", ""), *(customs.values() if isinstance(customs, dict) else [None])]
    return all(isinstance(name, str) for name in names)
