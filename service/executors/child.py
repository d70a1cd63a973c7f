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
from service.executors.invoke import describe_failure, invoke
from service.tasks import TaskFunction, load_tasks


class StopRequested(BaseException):
    """The worker asks this task to stop; ``except Exception`` in a task does not catch it."""


def main() -> None:
    """Run tasks from the inherited socket until the worker closes it.

    After a task that has replaced or closed its output streams the child ends.
    """
    sock = socket.socket(fileno=int(sys.argv[1]))
    requests: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=1)
    threading.Thread(target=_listen, args=(sock, requests), daemon=True).start()
    tasks = load_tasks(_flows_folder() / "tasks")
    signal.signal(signal.SIGTERM, _stop)
    streams_intact = True
    while streams_intact:
        response = _handle(tasks, requests.get())
        # The output must be in the pipe before the response is in the socket.
        streams_intact = _flush_streams()
        sock.sendall(response)


def _stop(_signum: int, _frame: FrameType | None) -> None:
    raise StopRequested


def _listen(sock: socket.socket, requests: queue.Queue[dict[str, Any]]) -> None:
    # If the worker is gone, perhaps by SIGKILL, another one will run the task again: kill the whole
    # process group, with any command in it.
    try:
        while (message := framing.receive_blocking(sock)) is not None:
            requests.put(message)
    finally:
        os.killpg(0, signal.SIGKILL)


def _handle(tasks: dict[str, TaskFunction], message: dict[str, Any]) -> bytes:
    try:
        return framing.frame(_run(tasks, message))
    except StopRequested:
        return framing.frame({"cancelled": True})
    except Exception as error:  # noqa: BLE001 - a command that cannot start is its task's failure
        return framing.frame(describe_failure(error))


def _flush_streams() -> bool:
    """Flush both output streams; False if the task has closed or replaced one."""
    try:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            stream.flush()
            os.fstat(number)
    except (AttributeError, OSError, ValueError):
        return False
    return sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__


def _run(tasks: dict[str, TaskFunction], message: dict[str, Any]) -> dict[str, Any]:
    if message == framing.PING:
        return message
    if message["type"] == "command":
        return _command(message["options"])
    function = tasks.get(message["key"])
    if function is None:
        return {"failure": {"exception": f"this worker has no task {message['key']}"}}
    return invoke(function, message)


def _command(options: dict[str, Any]) -> dict[str, Any]:
    process = subprocess.Popen(
        options["command"],
        cwd=_flows_folder() / options.get("directory", ""),
        env=os.environ | options.get("environment", {}),
        stdin=subprocess.DEVNULL,
    )
    try:
        status = process.wait()
    except StopRequested:
        process.terminate()
        process.wait()
        raise
    if status:
        return {"failure": {"exception": f"the command ended {framing.describe_exit(status)}"}}
    return {"value": status}


def _flows_folder() -> Path:
    # The folder of flows.yaml and of tasks.
    return Path(sys.argv[2])


if __name__ == "__main__":
    main()
