"""What the scenarios of the programme share: one ledger, one load, one killer, one account."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from events.database import DRIVER_ERRORS
from tests.kit.duration import SHARE
from tests.kit.killer import Killer
from tests.kit.processes import Process
from tests.postgres import OwnCluster

EVENTS, KILLS = 1_000_000, 200


@dataclass(frozen=True)
class Finding:
    """A line of the summary; a fault must be 0."""

    label: str
    value: float
    fault: bool = False


@dataclass
class Stage:
    """The ledger under fire, and how far the programme is."""

    cluster: OwnCluster
    folder: Path
    killer: Killer
    deadline: float
    """When the load ends at the latest, in the event loop's time."""
    events: int = round(EVENTS * SHARE)
    kills: int = round(KILLS * SHARE)
    victims: list[Process] = field(default_factory=list)
    """Processes that may be killed at any moment, and are started again."""
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last kill is done: what follows is quiet, for the load to end in."""
    quiet: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nobody writes any more: who watches reads on to the head and judges."""

    @property
    def url(self) -> str:
        return self.cluster.url

    @property
    def over(self) -> bool:
        """Whether the time for the load is over."""
        return asyncio.get_running_loop().time() > self.deadline

    async def start(self, process: Process) -> None:
        """Start a process that may be killed from now on."""
        await process.start()
        self.victims.append(process)

    async def end(self) -> None:
        """End whatever may still run of those that may be killed."""
        for process in self.victims:
            await process.kill()

    async def written(self, events: float) -> None:
        """Wait until so many events are written, or the time for the load is over."""
        while not self.over and await self.head() < events:  # noqa: ASYNC110 - by other processes
            await asyncio.sleep(0.05)

    async def head(self) -> int:
        """The log's last position."""
        return await self.ask("select position from log.head")

    async def ask(self, question: str) -> int:
        """The answer to a question, asked again while Postgres recovers."""
        while True:
            with contextlib.suppress(*DRIVER_ERRORS):
                connection = await asyncpg.connect(self.url, timeout=5)
                try:
                    return await connection.fetchval(question)
                finally:
                    await connection.close(timeout=1)
            await asyncio.sleep(0.05)
