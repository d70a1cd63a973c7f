"""The executor of a worker's own process: async tasks on the loop, others in child processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from service.executors.children import Child, ChildDied, ChildPool
from service.executors.executor import Failure, Result, StopSignal, Work
from service.executors.invoke import invoke_async, is_async
from service.tasks import TaskFunction, load_tasks

_log = logging.getLogger(__name__)

CANCEL_GRACE_S: Final = 5.0
"""How long a task may take to stop before it is killed."""

MIN_CANCEL_S: Final = 0.1
"""The least time for a coroutine to be cancelled, which takes an iteration of the loop."""

EndReason = Literal["finished", "timeout", "stopped"]
Response = Mapping[str, Any]


class InProcess:
    """Runs the Python tasks in the folder ``tasks`` of a folder of flows, and commands from it."""

    def __init__(self, flows: Path, *, slots: int, grace_s: float = CANCEL_GRACE_S) -> None:
        self._tasks: Mapping[str, TaskFunction] = load_tasks(flows / "tasks")
        self._pool = ChildPool(flows, max_idle=slots)
        self._grace_s = grace_s
        self._abandoned: set[asyncio.Task[dict[str, Any]]] = set()

    async def execute(self, work: Work, stop: StopSignal | None = None) -> Result:
        """Run one attempt: on the loop if the task is async, else in a child process."""
        stop = stop or StopSignal()
        if stop.requested.done():
            return Result(cancelled=True)
        function = self._tasks.get(work.task.key)
        if work.task.type == "python" and function is not None and is_async(function):
            return await self._on_loop(function, work, stop)
        try:
            child = await self._pool.acquire()
        except ChildDied as error:
            return Result(failure=Failure(str(error)), log=error.log_tail)
        except OSError as error:
            return Result(failure=Failure(f"no process for the task: {error}"))
        if stop.requested.done():  # while the child was starting
            await self._pool.release(child)
            return Result(cancelled=True)
        return await self._in_child(child, work, stop)

    async def close(self) -> None:
        """Kill all child processes."""
        await self._pool.close()

    async def _on_loop(self, function: TaskFunction, work: Work, stop: StopSignal) -> Result:
        # A copy, as a child gets one: a task may change its arguments.
        message = orjson.loads(orjson.dumps(_message(work)))
        running = asyncio.create_task(invoke_async(function, message))
        reason = await _await_end(running, stop, work.task.timeout_s)
        if reason != "finished":
            running.cancel()
            await self._wait_grace(running, stop)
            await asyncio.wait({running}, timeout=MIN_CANCEL_S)
        if not running.done():
            self._abandon(running)
        elif reason == "finished" and running.cancelled():  # it cancelled itself
            return Result(failure=Failure("CancelledError"))
        elif reason != "timeout" and not running.cancelled():
            return _result(running.result(), None)
        return _stopped_result(work, reason, None)

    def _abandon(self, running: asyncio.Task[dict[str, Any]]) -> None:
        # A coroutine that ignores its cancellation cannot be killed; its run goes on without it.
        _log.error("a task on the loop does not stop when it is cancelled: %r", running)
        self._abandoned.add(running)
        running.add_done_callback(self._abandoned.discard)

    async def _in_child(self, child: Child, work: Work, stop: StopSignal) -> Result:
        running = asyncio.create_task(_request(child, _message(work)))
        reason = await _await_end(running, stop, work.task.timeout_s)
        if reason == "stopped":
            child.terminate()
            await self._wait_grace(running, stop)
        log = child.log_tail()
        reusable = reason == "finished" and _has_result(running.result())
        await (self._pool.release(child) if reusable else self._pool.discard(child))
        return _child_result(work, reason, await running, log)

    async def _wait_grace(self, running: asyncio.Task[Any], stop: StopSignal) -> None:
        await asyncio.wait(
            {running, stop.forced},
            timeout=self._grace_s,
            return_when=asyncio.FIRST_COMPLETED,
        )


async def _await_end(
    running: asyncio.Task[Any], stop: StopSignal, timeout_s: float | None
) -> EndReason:
    await asyncio.wait(
        {running, stop.requested}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
    )
    if running.done():
        return "finished"
    return "stopped" if stop.requested.done() else "timeout"


async def _request(child: Child, message: dict[str, Any]) -> Response | ChildDied:
    try:
        return await child.request(message)
    except ChildDied as error:
        return error


def _has_result(response: Response | ChildDied) -> bool:
    return not isinstance(response, ChildDied) and "cancelled" not in response


def _child_result(
    work: Work, reason: EndReason, response: Response | ChildDied, log: str | None
) -> Result:
    if reason == "timeout" or (reason == "stopped" and not _has_result(response)):
        return _stopped_result(work, reason, log)
    if isinstance(response, ChildDied):
        return Result(failure=Failure(str(response)), log=log)
    if "cancelled" in response:
        return Result(failure=Failure("the task's process was ended from outside"), log=log)
    return _result(response, log)


def _stopped_result(work: Work, reason: EndReason, log: str | None) -> Result:
    if reason == "stopped":
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


def _result(response: Response, log: str | None) -> Result:
    failure = response.get("failure")
    return Result(
        value=response.get("value"),
        warnings=tuple(response.get("warnings", ())),
        metrics=response.get("metrics", {}),
        log=log,
        failure=Failure(**failure) if failure else None,
    )
