"""NAVER's ids: 12 characters of base 62, hashed for flows, scrambled numbers for runs.

Source: every sample of api.ncloud-docs.com, analytics-dataflow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from projections.documents.run import RunDocument
from service.flows.identity import FlowIdentity

DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH: Final = 12
KINDS: Final = ("workflowId", "jobId", "triggerId")
MAX_RUN_NUMBER: Final = 2**31 - 1
MAX_ROW: Final = 2**20 - 1
"""Maximum rows of a run, more than the tasks that a file of flows can hold."""

_ROW_FACTOR: Final = MAX_RUN_NUMBER + 1
_PAIRS: Final = [first + second for first in DIGITS for second in DIGITS]
_VALUES: Final = {digit: value for value, digit in enumerate(DIGITS)}
_SHAPE: Final = re.compile(r"[0-9A-Za-z]{12}")
_SPACE: Final = 62**LENGTH
# A bijection of the whole space: consecutive numbers look unrelated, and a random id hardly ever
# names a run. Both numbers are permanent; the factor shares no divisor with 62.
_FACTOR: Final = 1_455_441_286_630_408_809_353
_OFFSET: Final = 957_877_415_795_020_587_401
_INVERSE: Final = pow(_FACTOR, -1, _SPACE)


def is_id(text: str) -> bool:
    """Tell whether a text has the shape of an id."""
    return _SHAPE.fullmatch(text) is not None


def flow_ids(flow: FlowIdentity, fixed: Mapping[str, Any]) -> dict[str, str]:
    """Derive ``workflowId``, ``jobId`` and ``triggerId`` of a flow.

    Raises:
        ValueError: a fixed id has another shape or another name.

    """
    for name, value in fixed.items():
        if name not in KINDS:
            msg = f"NAVER knows no id {name}; known are {', '.join(KINDS)}"
            raise ValueError(msg)
        if not isinstance(value, str) or not is_id(value):
            msg = f"{name} {value!r} is not 12 characters of 0-9, A-Z, a-z"
            raise ValueError(msg)
    return {kind: _flow_id(flow, kind) for kind in KINDS} | dict(fixed)


def _flow_id(flow: FlowIdentity, kind: str) -> str:
    return _hashed(kind, flow.tenant, flow.fullname)


def _hashed(kind: str, tenant: str, name: str) -> str:
    digest = sha256(f"{kind}\0{tenant}\0{name}".encode()).digest()
    return _base_62(int.from_bytes(digest) % _SPACE)


@lru_cache(maxsize=10_000)
def task_jobs(tenant: str, fullname: str, paths: tuple[str, ...]) -> Mapping[str, str]:
    """Map ``jobId`` to path for a flow's tasks, in the order of the paths.

    A task keeps its id as long as it keeps its path.
    """
    return {_hashed("jobId", tenant, f"{fullname}\0{path}"): path for path in paths}


# Clients poll lists, so the same runs recur.
@lru_cache(maxsize=1024)
def execution_id(run_number: int, row: int = 0) -> str:
    """Return the ``jobExecutionId`` of a run, or of one of its rows, from 1.

    A pure function of the two: run numbers go from 1 to 2^31 - 1, rows to 2^20 - 1.

    >>> execution_id(1), execution(execution_id(1)), execution(execution_id(1, 2))
    ('kNObG9dBSJ6Y', Execution(run_number=1, row=0), Execution(run_number=1, row=2))
    """
    return _base_62(((row * _ROW_FACTOR + run_number) * _FACTOR + _OFFSET) % _SPACE)


class Execution(NamedTuple):
    """The meaning of a ``jobExecutionId``: a whole run (row 0), or one of its rows."""

    run_number: int
    row: int


def execution(execution_id: str) -> Execution | None:
    """Decode a ``jobExecutionId``; None if no run can have it."""
    if not is_id(execution_id):
        return None
    scrambled = 0
    for digit in execution_id:
        scrambled = scrambled * 62 + _VALUES[digit]
    row, number = divmod((scrambled - _OFFSET) * _INVERSE % _SPACE, _ROW_FACTOR)
    return Execution(number, row) if number and row <= MAX_ROW else None


def run_ids(run: RunDocument) -> dict[str, str]:
    """Return the ids of the run's execution, workflow, job and trigger."""
    flow_ids = run["flow_ids"]["naver"]
    return {**flow_ids, "jobExecutionId": execution_id(run["run_number"])}


def _base_62(value: int) -> str:
    digits = ""
    for _ in range(LENGTH // 2):
        value, pair = divmod(value, 62 * 62)
        digits = _PAIRS[pair] + digits
    return digits
