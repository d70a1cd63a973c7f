"""Sixteen writer processes: acknowledged appends are stored, others all or nothing."""

import asyncio
import signal

from tests.kit.processes import Process
from tests.kit.stored_log import examine
from tests.torture.stage import Finding, Stage

WRITERS = 16


async def run(stage: Stage) -> list[Finding]:
    notes = [stage.folder / f"writer-{number}.notes" for number in range(WRITERS)]
    writers = [
        Process("tests.kit.writer", stage.url, str(file), errors=file.with_suffix(".errors"))
        for file in notes
    ]
    for writer in writers:
        await stage.start(writer)
    await stage.killed.wait()
    await stage.written(stage.events)
    await asyncio.gather(*(writer.finish() for writer in writers))
    stage.quiet.set()
    found = await examine(stage.url, [file for file in notes if file.exists()])
    return [
        Finding("events", found.events),
        Finding("requests acknowledged", found.acknowledged),
        Finding("acknowledged and lost", found.lost, fault=True),
        Finding("torn", found.torn, fault=True),
        Finding("written twice", found.doubled, fault=True),
        Finding("out of the order of stream or time", found.disordered, fault=True),
        Finding("head, count and last position differ", found.sparse, fault=True),
        Finding("writers that failed", sum(map(failed, writers)), fault=True),
    ]


def failed(process: Process) -> bool:
    return process.ended not in (0, -signal.SIGKILL)
