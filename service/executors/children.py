"""The child processes of a worker: reused, one task at a time each, killed when needed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

from service.executors import framing
from service.ops.environment import SECRETS

LOG_TAIL_BYTES: Final = 32 * 1024
"""How much of a task's output is kept: the end of it."""

START_TIMEOUT_S: Final = 60.0
"""How long a child may take to import its tasks; a task's own timeout starts afterwards."""

PIPE_CAPACITY_BYTES: Final = 64 * 1024
"""The capacity of a pipe (pipe(7)): one read returns all the output so far."""


class ChildDied(Exception):
    """A child ended instead of responding; ``log_tail`` is the end of its output."""

    def __init__(self, reason: str, log_tail: str | None = None) -> None:
        super().__init__(reason)
        self.log_tail = log_tail


class Child:
    """One child process, with a socket to it and the tail of its output."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        output: int,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._output = output
        self._tail = bytearray()
        self._exit_status = asyncio.create_task(self._reap(), name=f"child {process.pid}")
        asyncio.get_running_loop().add_reader(output, self._read_output)

    @classmethod
    async def start(cls, flows: Path) -> Child:
        """Start a child in its own session, with the tasks of a folder of flows.

        Raises:
            OSError: the machine cannot start another process.
        """
        with contextlib.ExitStack() as child_ends, contextlib.ExitStack() as own_ends:
            sock, child_sock = socket.socketpair()
            own_ends.callback(sock.close)
            child_ends.callback(child_sock.close)
            output, child_output = os.pipe()
            own_ends.callback(os.close, output)
            child_ends.callback(os.close, child_output)
            os.set_blocking(output, False)
            process = await _spawn(flows, child_sock.fileno(), child_output)
            reader, writer = await asyncio.open_connection(sock=sock)
            own_ends.pop_all()
            return cls(process, reader, writer, output)

    async def wait_ready(self) -> None:
        """Wait until the child is ready for a task, and discard its output so far.

        Raises:
            ChildDied: the process has ended.
        """
        await self.request(framing.PING)
        self._read_output()
        self._tail.clear()

    async def request(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and wait for the response: for a task, until it has ended.

        Raises:
            ChildDied: the process ended instead of responding.
        """
        try:
            self._writer.write(framing.frame(message))
            await self._writer.drain()
            return await framing.receive(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            ended = f"the task's process ended {framing.describe_exit(await self._exit_status)}"
            raise ChildDied(ended, self.log_tail()) from error

    def log_tail(self) -> str | None:
        """Get the end of the task's output; None if it printed nothing."""
        self._read_output()
        return self._tail.decode(errors="replace") or None

    def terminate(self) -> None:
        """Ask the task to stop."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def kill(self) -> None:
        """Kill the process group; called again, only wait."""
        if not self._exit_status.done():  # else the id may already be reused
            self._kill_group()
        output, self._output = self._output, -1
        if output >= 0:
            asyncio.get_running_loop().remove_reader(output)
            os.close(output)
        self._writer.close()
        await self._exit_status
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _reap(self) -> int:
        # Processes that a task has forked hold the socket open, so it ends only when they are gone.
        status = await self._process.wait()
        self._kill_group()
        return status

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_output(self) -> None:
        # One read for each wake-up, so that endless output does not block the loop.
        if self._output < 0:
            return
        with contextlib.suppress(BlockingIOError):
            part = os.read(self._output, PIPE_CAPACITY_BYTES)
            self._tail += part
            del self._tail[:-LOG_TAIL_BYTES]
            if not part:
                asyncio.get_running_loop().remove_reader(self._output)


async def _spawn(flows: Path, sock: int, child_output: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service.executors.child",
        str(sock),
        str(flows),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=child_output,
        stderr=child_output,
        env={name: value for name, value in os.environ.items() if name not in SECRETS},
        pass_fds=(sock,),
        start_new_session=True,
    )


class ChildPool:
    """A pool of children; up to ``max_idle`` stay alive between tasks."""

    def __init__(self, flows: Path, *, max_idle: int) -> None:
        self._flows = flows
        self._max_idle = max_idle
        self._idle: list[Child] = []
        self._busy: set[Child] = set()

    async def acquire(self) -> Child:
        """Get a child that is ready for a task: an idle one, or a new one.

        Raises:
            ChildDied: a new child ended, for example because its tasks fail to load.
            OSError: the machine cannot start another process.
        """
        while self._idle:
            with contextlib.suppress(ChildDied):  # it died while idle
                return await self._ready(self._idle.pop())
        return await self._ready(await Child.start(self._flows))

    async def release(self, child: Child) -> None:
        """Return a child that has responded to the pool."""
        if len(self._idle) >= self._max_idle:
            await self.discard(child)
            return
        self._busy.discard(child)
        self._idle.append(child)

    async def discard(self, child: Child) -> None:
        """Kill a child whose task was stopped, or that died."""
        await child.kill()
        self._busy.discard(child)

    async def close(self) -> None:
        """Kill all children, busy ones too."""
        children = [*self._idle, *self._busy]
        self._idle.clear()
        await asyncio.gather(*(child.kill() for child in children))

    async def _ready(self, child: Child) -> Child:
        self._busy.add(child)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await child.wait_ready()
        except ChildDied:
            await self.discard(child)
            raise
        except TimeoutError as error:
            log_tail = child.log_tail()
            await self.discard(child)
            reason = f"the task's process was not ready in {START_TIMEOUT_S:.0f} s"
            raise ChildDied(reason, log_tail) from error
        return child
