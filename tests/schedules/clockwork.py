"""A process with a scheduler whose clock the test sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from events.envelope import Event
from service.schedules.last_fired import Marks
from service.schedules.scheduler import Scheduler
from tests.runs.processes import Process, flow, open_process, register, retired, starts
from tests.runs.story import CHAIN, TENANT

HOUR = timedelta(hours=1)


@dataclass
class Hands:
    """The clock of all processes of a test."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_next_hour(self, hours: int = 1, *, past: timedelta = timedelta(0)) -> datetime:
        """Move on to the next full hour, or a later one; gives that hour."""
        hour = self.now.replace(minute=0, second=0, microsecond=0) + hours * HOUR
        self.now = hour + past
        return hour

    async def tell(self) -> datetime:
        return self.now


@dataclass
class Clockwork:
    """A process, its scheduler, and what the scheduler told."""

    process: Process
    hands: Hands
    scheduler: Scheduler
    told: Counter[str]
    marks: Marks

    Hands = Hands

    async def register(self, name: str = "DUE", version: int = 1, **more: object) -> None:
        """Register a flow with a schedule; the process knows it at once."""
        definition = {"tasks": ["A"], "periodic": more.pop("periodic", {"interval": 3600})}
        event = flow(name, CHAIN, version=version, definition=definition, **more)
        await register(self.process.log, event)
        await self.process.catalogue.refresh(TENANT)

    async def retire(self, name: str = "DUE") -> None:
        await register(self.process.log, retired(name))
        await self.process.catalogue.refresh(TENANT)

    async def made(self) -> list[Event]:
        """What schedules have started, in order."""
        return [e for e in await starts(self.process) if e.data["trigger"] == "schedule"]

    async def due_times(self) -> list[str]:
        return [event.data["schedule"]["due_at"] for event in await self.made()]


def new_scheduler(process: Process, hands: Hands, told: Counter[str]) -> Scheduler:
    return Scheduler(
        catalogue=process.catalogue,
        writer=process.writer,
        marks=Marks(process.pool),
        clock=hands.tell,
        tell=lambda outcome: told.update([outcome]),
    )


@asynccontextmanager
async def open_clockwork(url: str, hands: Hands) -> AsyncIterator[Clockwork]:
    async with open_process(url) as process:
        told: Counter[str] = Counter()
        scheduler = new_scheduler(process, hands, told)
        yield Clockwork(process, hands, scheduler, told, Marks(process.pool))


async def main(url: str, moment: str) -> None:
    """Fire once what is due at a moment: what a process does that is killed meanwhile."""
    async with open_clockwork(url, Hands(datetime.fromisoformat(moment))) as clockwork:
        await clockwork.scheduler.turn()
