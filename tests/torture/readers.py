"""Four reader processes: two use the feed, two poll."""

import asyncio
from contextlib import AsyncExitStack

from tests.kit.reader import Figures, ReaderProcess
from tests.torture.stage import Finding, Stage

KINDS = ("feed", "poll", "feed", "poll")


async def run(stage: Stage) -> list[Finding]:
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(
                ReaderProcess(kind, stage.url, errors=stage.folder / f"reader-{number}.errors")
            )
            for number, kind in enumerate(KINDS)
        ]
        await stage.quiet.wait()
        head = await stage.head()
        found = await asyncio.gather(*(reader.figures(head) for reader in readers))
    whole = sum(found, Figures(0))
    return [
        Finding("events read, by four readers", whole.seen),
        Finding("lost by a reader", whole.lost, fault=True),
        Finding("doubled for a reader", whole.doubled, fault=True),
        Finding("out of order for a reader", whole.out_of_order, fault=True),
    ]
