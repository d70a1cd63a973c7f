"""A worker process that is killed at a moment: `python -m tests.executors.doomed URL MOMENT`.

Moments are before or after what it reports: `after RunClaimed`, `before TaskSucceeded`; or
`during A`, while a task runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from service.executors.executor import Result, StopSignal, Work
from service.runs.domain.commands import ClaimRun, Command, ReportEvents
from tests.executors.ledger import Ledger, ScriptedExecutor, open_ledger, succeed, working


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def says(command: Command, what: str) -> bool:
    if isinstance(command, ClaimRun):
        return what == "RunClaimed"
    return isinstance(command, ReportEvents) and what in {event.type for event in command.events}


def doom(ledger: Ledger, when: str, what: str) -> None:
    writer = ledger.service.writer
    submit = writer.submit

    async def doomed(command: Command, **options: Any) -> Any:
        if when == "before" and says(command, what):
            die()
        outcome = await submit(command, **options)
        if when == "after" and says(command, what):
            die()
        return outcome

    writer.submit = doomed  # type: ignore[method-assign]


async def work(url: str, when: str, what: str) -> None:
    def script(work: Work, stop: StopSignal) -> Result:
        if (when, what) == ("during", work.task.key):
            die()
        return succeed(work, stop)

    async with open_ledger(url, Path.cwd()) as ledger:
        doom(ledger, when, what)
        async with working(ledger, ScriptedExecutor(A=script), slots=1) as worker:
            print(worker.name, flush=True)  # noqa: T201 - whom to look for in the log
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], sys.argv[3]))
