"""The contract of an executor: it runs one attempt of one task and says how that went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from projections.flow import PlanTask


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt of one task.

    ``arguments`` are what the task gets by position: the previous result, a list of results after a
    group, None for a first task and a success hook, nothing for a failure hook (Celery Director).
    """

    run_id: str
    task: PlanTask
    attempt: int
    arguments: tuple[Any, ...]
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed."""

    exception: str
    reason: Literal["error", "timeout", "lost"] = "error"
    traceback: str | None = None
    statement: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt went: succeeded unless it has a failure or was cancelled."""

    value: Any = None
    warnings: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    log: str | None = None
    failure: Failure | None = None
    cancelled: bool = False


class Executor(Protocol):
    """Runs tasks. One suite tests every executor."""

    async def execute(self, work: Work) -> Result:
        """Run one attempt to its end.

        Cancelling the call stops the task, cooperatively first and by force after the grace
        period (at once if cancelled again); the call then returns a cancelled result. It raises
        nothing that a task did.
        """
        ...

    async def close(self) -> None:
        """Stop what still runs, by force, and free what is held."""
        ...
