"""Starts, kills and restarts processes, and exchanges lines with them."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

PATIENCE_S = 120


class Process:
    """`python -m MODULE ARGUMENTS`, which speaks by lines; what it complains of goes to ``errors``.

    One may be started again after it has ended.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        errors: Path | None = None,
    ) -> None:
        self.module = module
        self.arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._errors = errors
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with contextlib.ExitStack() as files:
            errors = files.enter_context(self._errors.open("ab")) if self._errors else None
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.module, *self.arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=self._environment,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """What it ended with: minus the signal, if it was one; None while it runs."""
        return self._process.returncode

    async def line(self) -> str:
        """Wait for the next line it says; empty when it has ended."""
        async with asyncio.timeout(PATIENCE_S):
            return (await self._process.stdout.readline()).decode().strip()

    async def tell(self, line: str) -> None:
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def wait(self) -> int:
        """Wait until it ends by itself."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()

    async def finish(self) -> int:
        """Let it see the end of its input, which is how it is told to end well."""
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            await self._process.communicate()
        return self._process.returncode

    async def kill(self) -> None:
        """SIGKILL; nothing where it has ended already."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._process.communicate()
