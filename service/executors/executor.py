"""The contract of an executor: it runs one attempt of one task and says how that went."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from projections.documents.flow import PlanTask


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt of one task.

    ``arguments`` are what the task gets by position: the previous result, a list of results after
    several tasks, None for a first task and a success hook, nothing for a failure hook (Celery
    Director).
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


class Stop:
    """Tells a running task to stop: asked, it may take a grace period; forced, it gets none.

    Both are futures that are done once it is so. Made where a loop runs.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.asked: asyncio.Future[None] = loop.create_future()
        self.forced: asyncio.Future[None] = loop.create_future()

    def ask(self) -> None:
        """Ask the task to stop; again, nothing more."""
        if not self.asked.done():
            self.asked.set_result(None)

    def force(self) -> None:
        """Stop the task at once."""
        self.ask()
        if not self.forced.done():
            self.forced.set_result(None)


class Executor(Protocol):
    """Runs tasks. One suite tests every executor."""

    async def execute(self, work: Work, stop: Stop | None = None) -> Result:
        """Run one attempt to its end, or to when it is stopped.

        A task that ends by itself within the grace period has its own result. The result is
        cancelled only where ``stop`` was asked. It raises nothing that a task did.
        """
        ...

    async def close(self) -> None:
        """Stop what still runs, by force, and free what is held."""
        ...
