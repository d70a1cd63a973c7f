"""The child processes of a worker: kept warm, one task at a time each, killed where need be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from service.executors import wire

LOG_TAIL_BYTES = 32 * 1024
"""How much of what a task prints is kept: the end of it."""


class ChildDied(Exception):
    """The child process ended while it ran a task."""


class Child:
    """One child process with the socket to it and the tail of what it prints."""

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
        asyncio.get_running_loop().add_reader(output, self._print)

    @classmethod
    async def start(cls, flows: Path) -> Child:
        """Start a child with the tasks of a folder of flows, in a session of its own."""
        ours, theirs = socket.socketpair()
        output, printed = os.pipe()
        os.set_blocking(output, False)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "service.executors.child",
                str(theirs.fileno()),
                str(flows),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            os.close(output)
            raise
        finally:
            theirs.close()
            os.close(printed)
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer, output)

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run a task to its end.

        Raises:
            ChildDied: the process ended instead of answering.

        """
        self._tail.clear()
        try:
            self._writer.write(wire.frame(message))
            await self._writer.drain()
            return await wire.receive(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            status = await self._process.wait()
            raise ChildDied(_ending(status)) from error

    def log(self) -> str | None:
        """Return the end of what the task printed, or None if it printed nothing."""
        self._print()
        return self._tail.decode(errors="replace") or None

    def terminate(self) -> None:
        """Ask the task to stop."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def kill(self) -> None:
        """End the process and all it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._output)
        os.close(self._output)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def _print(self) -> None:
        # All that a task printed is in the pipe before its answer is in the socket.
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._output, 65536):
                self._tail += part
                del self._tail[:-LOG_TAIL_BYTES]


def _ending(status: int) -> str:
    if status < 0:
        return f"the task's process was ended by {signal.Signals(-status).name}"
    return f"the task's process ended with exit status {status}"


class Children:
    """The idle children of a worker; one is started where none is idle."""

    def __init__(self, flows: Path, *, keep: int) -> None:
        self._flows = flows
        self._keep = keep
        self._idle: list[Child] = []
        self._busy: set[Child] = set()

    async def take(self) -> Child:
        """Take an idle child, or start one."""
        child = self._idle.pop() if self._idle else await Child.start(self._flows)
        self._busy.add(child)
        return child

    async def give_back(self, child: Child) -> None:
        """Keep a child that has answered for the next task."""
        self._busy.discard(child)
        if len(self._idle) < self._keep:
            self._idle.append(child)
        else:
            await child.kill()

    async def discard(self, child: Child) -> None:
        """End a child whose task was stopped or that died."""
        self._busy.discard(child)
        await child.kill()

    async def close(self) -> None:
        """End all children, busy ones too."""
        children = [*self._idle, *self._busy]
        self._idle.clear()
        self._busy.clear()
        await asyncio.gather(*(child.kill() for child in children))
