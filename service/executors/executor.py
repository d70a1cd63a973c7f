"""The contract of an executor, which runs attempts of tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from projections.documents.flow import PlanTask


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt of one task to execute.

    ``arguments`` are positional, as in Celery Director: the previous result, a list of results
    after several tasks, None for a first task and a success hook, none for a failure hook.
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
    """The result of an attempt: succeeded unless ``failure`` or ``cancelled`` is set."""

    value: Any = None
    warnings: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    log: str | None = None
    failure: Failure | None = None
    cancelled: bool = False


class StopSignal:
    """Tells a running task to stop, with a grace period or by force.

    ``requested`` and ``forced`` are futures that are done after `request` and `force`. Create it in
    a running loop.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.requested: asyncio.Future[None] = loop.create_future()
        self.forced: asyncio.Future[None] = loop.create_future()

    def request(self) -> None:
        """Ask the task to stop within its grace period; idempotent."""
        if not self.requested.done():
            self.requested.set_result(None)

    def force(self) -> None:
        """Stop the task at once; idempotent."""
        self.request()
        if not self.forced.done():
            self.forced.set_result(None)


class Executor(Protocol):
    """Runs tasks. One test suite covers every executor."""

    async def execute(self, work: Work, stop: StopSignal | None = None) -> Result:
        """Run one attempt until it ends or is stopped.

        A task that ends within the grace period keeps its own result. The result is cancelled only
        after a request of ``stop``. Exceptions of the task are its failure and are not raised.
        """
        ...

    async def close(self) -> None:
        """Kill what still runs and release all resources."""
        ...
