"""The executor of a worker's own process: async tasks on the loop, blocking ones in children."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from service.executors.calling import call_async, is_async
from service.executors.children import Child, ChildDied, Children
from service.executors.executor import Failure, Result, Work
from service.tasks import TaskFunction, load_tasks

_log = logging.getLogger(__name__)

CANCEL_GRACE_S = 5.0
"""How long a cancelled task may take to stop by itself before its process is killed."""


class InProcess:
    """Runs the tasks of a folder of flows: those in its folder ``tasks``, and commands from it."""

    def __init__(self, flows: Path, *, slots: int, grace_s: float = CANCEL_GRACE_S) -> None:
        self._tasks: Mapping[str, TaskFunction] = load_tasks(flows / "tasks")
        self._children = Children(flows, keep=slots)
        self._grace_s = grace_s
        self._abandoned: set[asyncio.Task[dict[str, Any]]] = set()

    async def execute(self, work: Work) -> Result:
        """Run one attempt: on the loop where the task is async, else in a child process."""
        function = self._tasks.get(work.task.key)
        if work.task.type == "python" and function is not None and is_async(function):
            return await self._on_loop(function, work)
        return await self._in_child(await self._children.take(), work)

    async def close(self) -> None:
        """End all child processes."""
        await self._children.close()

    async def _on_loop(self, function: TaskFunction, work: Work) -> Result:
        running = asyncio.create_task(call_async(function, _message(work)))
        ending = await self._attend(running, work.task.timeout_s, stop=running.cancel)
        if ending == "timeout":
            running.cancel()
            await self._grace(running)
        if not running.done():
            self._abandon(running)
        elif not running.cancelled() and ending != "timeout":
            return _result(running.result(), None)
        return _stopped(work, ending, None)

    def _abandon(self, running: asyncio.Task[dict[str, Any]]) -> None:
        # A coroutine that does not heed its cancellation cannot be killed; its run goes on.
        _log.error("a task on the loop does not stop when it is cancelled: %r", running)
        self._abandoned.add(running)
        running.add_done_callback(self._abandoned.discard)

    async def _in_child(self, child: Child, work: Work) -> Result:
        running = asyncio.create_task(child.ask(_message(work)))
        ending = await self._attend(running, work.task.timeout_s, stop=child.terminate)
        log = child.log()
        if ending == "answered" and running.exception() is None:
            await self._children.give_back(child)
            return _result(running.result(), log)
        await self._children.discard(child)
        return _end_of_child(work, ending, await _outcome(running), log)

    async def _attend(
        self,
        running: asyncio.Task[dict[str, Any]],
        timeout_s: float | None,
        *,
        stop: Callable[[], object],
    ) -> Ending:
        try:
            done, _ = await asyncio.wait({running}, timeout=timeout_s)
        except asyncio.CancelledError:
            stop()
            await self._grace(running)
            return "cancelled"
        return "answered" if done else "timeout"

    async def _grace(self, running: asyncio.Task[dict[str, Any]]) -> None:
        try:
            await asyncio.wait({running}, timeout=self._grace_s)
        except asyncio.CancelledError:
            return  # cancelled twice: by force


Ending = Literal["answered", "timeout", "cancelled"]


async def _outcome(running: asyncio.Task[dict[str, Any]]) -> dict[str, Any] | ChildDied:
    try:
        return await running
    except ChildDied as error:
        return error


def _end_of_child(
    work: Work, ending: Ending, outcome: dict[str, Any] | ChildDied, log: str | None
) -> Result:
    if ending == "answered" and isinstance(outcome, ChildDied):
        return Result(failure=Failure(str(outcome)), log=log)
    if isinstance(outcome, ChildDied) or ending == "timeout":
        return _stopped(work, ending, log)
    return _result(outcome, log)


def _stopped(work: Work, ending: Ending, log: str | None) -> Result:
    if ending == "cancelled":
        return Result(cancelled=True, log=log)
    failure = Failure(f"the task ran longer than {work.task.timeout_s} s", reason="timeout")
    return Result(failure=failure, log=log)


def _message(work: Work) -> dict[str, Any]:
    return {
        "type": work.task.type,
        "key": work.task.key,
        "options": dict(work.task.options),
        "arguments": list(work.arguments),
        "payload": dict(work.payload),
        "workflow_id": work.run_id,
    }


def _result(answer: Mapping[str, Any], log: str | None) -> Result:
    failure = answer.get("failure")
    return Result(
        value=answer.get("value"),
        warnings=tuple(answer.get("warnings", ())),
        metrics=answer.get("metrics", {}),
        log=log,
        failure=Failure(**failure) if failure else None,
        cancelled=answer.get("cancelled", False),
    )
