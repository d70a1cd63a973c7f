"""Two processes apply events and are killed; the read models equal a plain fold."""

import asyncio

from tests.kit.processes import Process
from tests.kit.read_models import compare
from tests.torture.stage import Finding, Stage

PROJECTORS = 2
BEHIND = "select min(position) from projections.checkpoints"


async def run(stage: Stage) -> list[Finding]:
    projectors = [
        Process(
            "tests.kit.projector", stage.url, errors=stage.folder / f"projector-{number}.errors"
        )
        for number in range(PROJECTORS)
    ]
    for projector in projectors:
        await stage.start(projector)
    await stage.quiet.wait()
    head = await stage.head()
    while await stage.ask(BEHIND) < head:  # noqa: ASYNC110 - other processes apply
        await asyncio.sleep(0.1)
    found = await compare(stage.url)
    return [
        Finding("rows of the read models", found.rows),
        Finding("differing rows", found.differing, fault=True),
    ]
