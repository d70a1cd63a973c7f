"""A child process of a worker: runs blocking tasks one at a time, and dies with the worker."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from service.executors import framing
from service.executors.invoke import call, failed
from service.tasks import TaskFunction, load_tasks


class Stopped(BaseException):
    """The worker asks this task to stop; no ``except Exception`` of a task swallows it."""


def main() -> None:
    """Serve tasks from the socket that was handed down until the worker closes it.

    A task that broke the streams it prints to is the last: the worker finds a new child.
    """
    sock = socket.socket(fileno=int(sys.argv[1]))
    waiting: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=1)
    threading.Thread(target=_listen, args=(sock, waiting), daemon=True).start()
    tasks = load_tasks(_flows_folder() / "tasks")
    signal.signal(signal.SIGTERM, _stop)
    whole = True
    while whole:
        answer = _answer(tasks, waiting.get())
        # What was printed is to be in the pipe before the answer is in the socket.
        whole = _flush()
        sock.sendall(answer)


def _stop(_signum: int, _frame: FrameType | None) -> None:
    raise Stopped


def _listen(sock: socket.socket, waiting: queue.Queue[dict[str, Any]]) -> None:
    # The worker is gone, perhaps by SIGKILL: nobody would hear the end of the task, and another
    # worker is about to run it again. The whole group goes, with any command in it.
    try:
        while (message := framing.receive_blocking(sock)) is not None:
            waiting.put(message)
    finally:
        os.killpg(0, signal.SIGKILL)


def _answer(tasks: dict[str, TaskFunction], message: dict[str, Any]) -> bytes:
    try:
        return framing.frame(_run(tasks, message))
    except Stopped:
        return framing.frame({"cancelled": True})
    except Exception as error:  # noqa: BLE001 - a command that cannot start is its task's failure
        return framing.frame(failed(error))


def _flush() -> bool:
    """Whether the next task could print; one that closed or replaced a stream had it to itself."""
    try:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            stream.flush()
            os.fstat(number)
    except (AttributeError, OSError, ValueError):
        return False
    return sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__


def _run(tasks: dict[str, TaskFunction], message: dict[str, Any]) -> dict[str, Any]:
    if message == framing.HELLO:
        return message
    if message["type"] == "command":
        return _command(message["options"])
    function = tasks.get(message["key"])
    if function is None:
        return {"failure": {"exception": f"this worker has no task {message['key']}"}}
    return call(function, message)


def _command(options: dict[str, Any]) -> dict[str, Any]:
    process = subprocess.Popen(
        options["command"],
        cwd=_flows_folder() / options.get("directory", ""),
        env=os.environ | options.get("environment", {}),
        stdin=subprocess.DEVNULL,
    )
    try:
        status = process.wait()
    except Stopped:
        process.terminate()
        process.wait()
        raise
    if status:
        return {"failure": {"exception": f"the command ended {framing.ending(status)}"}}
    return {"value": status}


def _flows_folder() -> Path:
    # It holds flows.yaml and, beside it, the tasks; a worker without one has no flows to run.
    return Path(sys.argv[2])


if __name__ == "__main__":
    main()
