"""A process that is killed as it fails a run: `python -m tests.runs.doomed URL WHEN RUN_ID`.

WHEN is before or after the statement that appends the failure.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from tests.runs.processes import open_process, report_events


async def fail(url: str, when: str, run_id: str) -> None:
    async with open_process(url) as process:
        append = process.log.append

        async def deadly(requests):
            if when == "after":
                await append(requests)
            os.kill(os.getpid(), signal.SIGKILL)

        process.log.append = deadly
        await process.writer.submit(report_events(run_id, ("RunFailed", None)))


if __name__ == "__main__":
    asyncio.run(fail(*sys.argv[1:]))
