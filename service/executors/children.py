"""The child processes of a worker: kept warm, one task at a time each, killed where need be."""

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

LOG_TAIL_BYTES: Final = 32 * 1024
"""How much of what a task prints is kept: the end of it."""

START_S: Final = 60.0
"""How long a child may take to import its tasks; no task's own timeout runs meanwhile."""

PIPE_BYTES: Final = 64 * 1024
"""What a pipe holds at most (pipe(7)): one read takes all that was printed so far."""

_OURS: Final = frozenset(
    {"FLOWLEDGER_SECRET_KEY", "FLOWLEDGER_OLD_SECRET_KEY", "FLOWLEDGER_DATABASE_URL"}
)
"""Secrets of the ledger that no task needs, and that a command could print."""


class ChildDied(Exception):
    """A child ended where it should have answered; ``log`` is the end of what it printed."""

    def __init__(self, reason: str, log: str | None = None) -> None:
        super().__init__(reason)
        self.log = log


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
        self._gone = asyncio.create_task(self._reap(), name=f"child {process.pid}")
        asyncio.get_running_loop().add_reader(output, self._print)

    @classmethod
    async def start(cls, flows: Path) -> Child:
        """Start a child with the tasks of a folder of flows, in a session of its own.

        Raises:
            OSError: the machine has no room for another process.
        """
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            sock, handed_down = socket.socketpair()
            ours.callback(sock.close)
            theirs.callback(handed_down.close)
            output, printed = os.pipe()
            ours.callback(os.close, output)
            theirs.callback(os.close, printed)
            os.set_blocking(output, False)
            process = await _spawn(flows, handed_down.fileno(), printed)
            reader, writer = await asyncio.open_connection(sock=sock)
            ours.pop_all()
            return cls(process, reader, writer, output)

    async def greet(self) -> None:
        """Wait until the child is ready for a task; what it printed so far belongs to none.

        Raises:
            ChildDied: the process has ended.
        """
        await self.ask(framing.HELLO)
        self._print()
        self._tail.clear()

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Have the child run a task to its end.

        Raises:
            ChildDied: the process ended instead of answering.
        """
        try:
            self._writer.write(framing.frame(message))
            await self._writer.drain()
            return await framing.receive(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            ended = f"the task's process ended {framing.ending(await self._gone)}"
            raise ChildDied(ended, self.log()) from error

    def log(self) -> str | None:
        """Return the end of what the task printed, or None if it printed nothing."""
        self._print()
        return self._tail.decode(errors="replace") or None

    def terminate(self) -> None:
        """Ask the task to stop."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def kill(self) -> None:
        """End the process and all it started, at once; called again, it only waits."""
        if not self._gone.done():  # else its id may be another's by now
            self._kill_group()
        output, self._output = self._output, -1
        if output >= 0:
            asyncio.get_running_loop().remove_reader(output)
            os.close(output)
        self._writer.close()
        await self._gone
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _reap(self) -> int:
        # What a task has forked holds the socket too: only when it is gone the socket ends.
        status = await self._process.wait()
        self._kill_group()
        return status

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _print(self) -> None:
        # One read a turn: a task that prints without end keeps nobody else from the loop.
        if self._output < 0:
            return
        with contextlib.suppress(BlockingIOError):
            part = os.read(self._output, PIPE_BYTES)
            self._tail += part
            del self._tail[:-LOG_TAIL_BYTES]
            if not part:
                asyncio.get_running_loop().remove_reader(self._output)


async def _spawn(flows: Path, sock: int, printed: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service.executors.child",
        str(sock),
        str(flows),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=printed,
        stderr=printed,
        env={name: value for name, value in os.environ.items() if name not in _OURS},
        pass_fds=(sock,),
        start_new_session=True,
    )


class Children:
    """The idle children of a worker; one is started where none is idle."""

    def __init__(self, flows: Path, *, keep: int) -> None:
        self._flows = flows
        self._keep = keep
        self._idle: list[Child] = []
        self._busy: set[Child] = set()

    async def take(self) -> Child:
        """Take a child that is ready for a task: an idle one, or a new one.

        Raises:
            ChildDied: a new child is not there: its tasks do not load.
            OSError: the machine has no room for another process.
        """
        while self._idle:
            with contextlib.suppress(ChildDied):  # while it was idle
                return await self._ready(self._idle.pop())
        return await self._ready(await Child.start(self._flows))

    async def give_back(self, child: Child) -> None:
        """Keep a child that has answered for the next task."""
        if len(self._idle) >= self._keep:
            await self.discard(child)
            return
        self._busy.discard(child)
        self._idle.append(child)

    async def discard(self, child: Child) -> None:
        """End a child whose task was stopped or that died."""
        await child.kill()
        self._busy.discard(child)

    async def close(self) -> None:
        """End all children, busy ones too."""
        children = [*self._idle, *self._busy]
        self._idle.clear()
        await asyncio.gather(*(child.kill() for child in children))

    async def _ready(self, child: Child) -> Child:
        self._busy.add(child)
        try:
            async with asyncio.timeout(START_S):
                await child.greet()
        except ChildDied:
            await self.discard(child)
            raise
        except TimeoutError as error:
            log = child.log()
            await self.discard(child)
            raise ChildDied(f"the task's process was not ready in {START_S:.0f} s", log) from error
        return child
