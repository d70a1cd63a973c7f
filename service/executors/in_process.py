"""The executor of a worker's own process: async tasks on the loop, blocking ones in children."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from service.executors.children import Child, ChildDied, Children
from service.executors.executor import Failure, Result, Stop, Work
from service.executors.invoke import call_async, is_async
from service.tasks import TaskFunction, load_tasks

_log = logging.getLogger(__name__)

CANCEL_GRACE_S: Final = 5.0
"""How long a task that is asked to stop may take before it is stopped by force."""

TURN_S: Final = 0.1
"""What a coroutine is given at the least: it can only stop when the loop comes to it."""

Ending = Literal["answered", "timeout", "stopped"]
Answer = Mapping[str, Any]


class InProcess:
    """Runs the tasks of a folder of flows: those in its folder ``tasks``, and commands from it."""

    def __init__(self, flows: Path, *, slots: int, grace_s: float = CANCEL_GRACE_S) -> None:
        self._tasks: Mapping[str, TaskFunction] = load_tasks(flows / "tasks")
        self._children = Children(flows, keep=slots)
        self._grace_s = grace_s
        self._abandoned: set[asyncio.Task[dict[str, Any]]] = set()

    async def execute(self, work: Work, stop: Stop | None = None) -> Result:
        """Run one attempt: on the loop where the task is async, else in a child process."""
        stop = stop or Stop()
        if stop.asked.done():
            return Result(cancelled=True)
        function = self._tasks.get(work.task.key)
        if work.task.type == "python" and function is not None and is_async(function):
            return await self._on_loop(function, work, stop)
        try:
            child = await self._children.take()
        except ChildDied as error:
            return Result(failure=Failure(str(error)), log=error.log)
        except OSError as error:
            return Result(failure=Failure(f"no process for the task: {error}"))
        if stop.asked.done():  # while the child was made ready
            await self._children.give_back(child)
            return Result(cancelled=True)
        return await self._in_child(child, work, stop)

    async def close(self) -> None:
        """End all child processes."""
        await self._children.close()

    async def _on_loop(self, function: TaskFunction, work: Work, stop: Stop) -> Result:
        # A copy, as a child gets one: what a task does to its arguments is its own affair.
        message = orjson.loads(orjson.dumps(_message(work)))
        running = asyncio.create_task(call_async(function, message))
        ending = await _attend(running, stop, work.task.timeout_s)
        if ending != "answered":
            running.cancel()
            await self._grace(running, stop)
            await asyncio.wait({running}, timeout=TURN_S)
        if not running.done():
            self._abandon(running)
        elif ending == "answered" and running.cancelled():  # by itself: nobody asked
            return Result(failure=Failure("CancelledError"))
        elif ending != "timeout" and not running.cancelled():
            return _result(running.result(), None)
        return _stopped(work, ending, None)

    def _abandon(self, running: asyncio.Task[dict[str, Any]]) -> None:
        # A coroutine that does not heed its cancellation cannot be killed; its run goes on.
        _log.error("a task on the loop does not stop when it is cancelled: %r", running)
        self._abandoned.add(running)
        running.add_done_callback(self._abandoned.discard)

    async def _in_child(self, child: Child, work: Work, stop: Stop) -> Result:
        running = asyncio.create_task(_outcome(child, _message(work)))
        ending = await _attend(running, stop, work.task.timeout_s)
        if ending == "stopped":
            child.terminate()
            await self._grace(running, stop)
        log = child.log()
        reusable = ending == "answered" and _is_whole(running.result())
        await (self._children.give_back(child) if reusable else self._children.discard(child))
        return _end_of_child(work, ending, await running, log)

    async def _grace(self, running: asyncio.Task[Any], stop: Stop) -> None:
        await asyncio.wait(
            {running, stop.forced},
            timeout=self._grace_s,
            return_when=asyncio.FIRST_COMPLETED,
        )


async def _attend(running: asyncio.Task[Any], stop: Stop, timeout_s: float | None) -> Ending:
    await asyncio.wait(
        {running, stop.asked}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
    )
    if running.done():
        return "answered"
    return "stopped" if stop.asked.done() else "timeout"


async def _outcome(child: Child, message: dict[str, Any]) -> Answer | ChildDied:
    try:
        return await child.ask(message)
    except ChildDied as error:
        return error


def _is_whole(outcome: Answer | ChildDied) -> bool:
    return not isinstance(outcome, ChildDied) and "cancelled" not in outcome


def _end_of_child(
    work: Work, ending: Ending, outcome: Answer | ChildDied, log: str | None
) -> Result:
    if ending == "timeout" or (ending == "stopped" and not _is_whole(outcome)):
        return _stopped(work, ending, log)
    if isinstance(outcome, ChildDied):
        return Result(failure=Failure(str(outcome)), log=log)
    if "cancelled" in outcome:
        return Result(failure=Failure("the task's process was ended from outside"), log=log)
    return _result(outcome, log)


def _stopped(work: Work, ending: Ending, log: str | None) -> Result:
    if ending == "stopped":
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


def _result(answer: Answer, log: str | None) -> Result:
    failure = answer.get("failure")
    return Result(
        value=answer.get("value"),
        warnings=tuple(answer.get("warnings", ())),
        metrics=answer.get("metrics", {}),
        log=log,
        failure=Failure(**failure) if failure else None,
    )
