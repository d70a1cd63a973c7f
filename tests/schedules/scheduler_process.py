"""A process with a scheduler whose clock the test sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from events.envelope import Event
from service.schedules.last_fired import LastFiredTable
from service.schedules.scheduler import Scheduler
from tests.runs.processes import Process, flow, open_process, register, retired, starts
from tests.runs.story import CHAIN, TENANT

HOUR = timedelta(hours=1)


@dataclass
class FakeClock:
    """The clock of all processes of a test."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def advance_to_hour(self, hours: int = 1, *, past: timedelta = timedelta(0)) -> datetime:
        """Advance to a full hour plus ``past``; returns that hour."""
        hour = self.now.replace(minute=0, second=0, microsecond=0) + hours * HOUR
        self.now = hour + past
        return hour

    async def read(self) -> datetime:
        return self.now


@dataclass
class SchedulerProcess:
    """A process with its scheduler, and the outcomes of due times."""

    process: Process
    clock: FakeClock
    scheduler: Scheduler
    outcomes: Counter[str]
    last_fired: LastFiredTable

    async def register(self, name: str = "DUE", version: int = 1, **more: object) -> None:
        """Register a flow with a schedule; the process knows it at once."""
        definition = {"tasks": ["A"], "periodic": more.pop("periodic", {"interval": 3600})}
        event = flow(name, CHAIN, version=version, definition=definition, **more)
        await register(self.process.log, event)
        await self.process.catalogue.refresh(TENANT)

    async def retire(self, name: str = "DUE") -> None:
        await register(self.process.log, retired(name))
        await self.process.catalogue.refresh(TENANT)

    async def scheduled_starts(self) -> list[Event]:
        """The runs that schedules have started, in order."""
        return [e for e in await starts(self.process) if e.data["trigger"] == "schedule"]

    async def due_times(self) -> list[str]:
        return [event.data["schedule"]["due_at"] for event in await self.scheduled_starts()]


def new_scheduler(process: Process, clock: FakeClock, outcomes: Counter[str]) -> Scheduler:
    return Scheduler(
        catalogue=process.catalogue,
        writer=process.writer,
        last_fired=LastFiredTable(process.pool),
        clock=clock.read,
        hold=process.hold,
        on_result=lambda outcome: outcomes.update([outcome]),
    )


@asynccontextmanager
async def open_scheduler_process(url: str, clock: FakeClock) -> AsyncIterator[SchedulerProcess]:
    async with open_process(url) as process:
        outcomes: Counter[str] = Counter()
        scheduler = new_scheduler(process, clock, outcomes)
        yield SchedulerProcess(process, clock, scheduler, outcomes, LastFiredTable(process.pool))


async def main(url: str, moment: str) -> None:
    """Start what is due at a moment, in a process that a test kills meanwhile."""
    async with open_scheduler_process(url, FakeClock(datetime.fromisoformat(moment))) as node:
        await node.scheduler.start_all_due()
