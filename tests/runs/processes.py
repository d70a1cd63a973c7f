"""Writers as processes have them, each with its own pool, batcher and catalogue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from events import types
from events.batcher import Batcher
from events.codec import encode
from events.database import connect_pool
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.store import Log
from projections.documents.flow import Plan, PlanTask, plan_json
from projections.flow_versions import FlowVersions
from service.access import Origin
from service.flows.catalogue import Catalogue
from service.flows.payloads import check
from service.hold import Hold
from service.ops.supervisor import Supervisor
from service.runs.domain.commands import (
    CancelRun,
    ClaimRun,
    ReportedEvent,
    ReportEvents,
    StartRun,
)
from service.runs.domain.decider import fold
from service.runs.write.ids import RunNumbers, new_id
from service.runs.write.number_sequence import NumberBlocks
from service.runs.write.writer import Writer
from tests.runs.story import CHAIN, HOOKS, TENANT

ORIGIN = Origin("ops", "api", "k-1")


@dataclass
class Process:
    """What one process writes with, and what it reads to check."""

    log: Log
    batcher: Batcher
    catalogue: Catalogue
    writer: Writer
    pool: object
    hold: Hold

    async def start(self, fullname="example.CHAIN", **more):
        return await self.writer.submit(StartRun(TENANT, ORIGIN, fullname, **more))

    async def stream(self, run_id):
        return await self.log.read_stream(TENANT, types.run_stream(run_id))

    async def event_types(self, run_id):
        """The types of a run's events, in order."""
        return [event.type for event in await self.stream(run_id)]

    async def state(self, run_id, plan=CHAIN):
        return fold(plan, await self.stream(run_id))


@asynccontextmanager
async def open_process(url: str) -> AsyncIterator[Process]:
    pool = await connect_pool(url, max_size=4)
    log = Log(pool)
    batcher, catalogue, numbers = (
        Batcher(log),
        Catalogue(log),
        RunNumbers(NumberBlocks(pool).take),
    )
    hold = Hold(log)
    writer = Writer(
        batcher,
        log,
        catalogue,
        flows=FlowVersions(log),
        numbers=numbers,
        check_payload=check,
        hold=hold,
    )
    await catalogue.load()
    supervisor = Supervisor(first_delay_s=0.001)
    supervisor.start("batcher", batcher.run)
    try:
        yield Process(log, batcher, catalogue, writer, pool, hold)
        await writer.close()
    finally:
        await supervisor.stop()
        await numbers.close()
        await pool.close()


async def register(log: Log, *events: tuple[str, dict]) -> None:
    new = tuple(NewEvent(new_id(), type_, encode(data), "ops") for type_, data in events)
    stream = StreamAppend(types.CATALOGUE_STREAM, ExpectedVersion.ANY, new)
    [answer] = await log.append([AppendRequest(TENANT, (stream,))])
    assert answer.last_position


def flow(name: str, plan: Plan, **more) -> tuple[str, dict]:
    """The event that registers a flow."""
    body = {
        "fullname": f"example.{name}",
        "project": "example",
        "name": name,
        "version": 1,
        "number": 1,
        "executor": "in_process",
        "exclusive": False,
        "timeout_s": None,
        "ids": {},
        "definition": {},
        "plan": plan_json(plan),
    }
    return types.FLOW_REGISTERED, body | more


def retired(name: str, version: int = 1) -> tuple[str, dict]:
    return types.FLOW_RETIRED, {"fullname": f"example.{name}", "version": version}


SCHEMA = '{"type": "object", "required": ["rows"], "properties": {"rows": {"type": "integer"}}}'
FLOWS = (
    flow("CHAIN", CHAIN),
    flow("HOOKS", HOOKS),
    flow("ALONE", CHAIN, exclusive=True),
    flow("EXTERNAL", CHAIN, executor="external"),
    flow("ONE", Plan((PlanTask("A", "A"),)), executor="external"),
    flow("PICKY", CHAIN, payload_schema=SCHEMA),
)


async def together(*calls):
    """Release coroutines at the same moment; what each returned or raised, in their order."""
    gate = asyncio.Event()

    async def behind(call):
        await gate.wait()
        return await call

    tasks = [asyncio.create_task(behind(call)) for call in calls]
    gate.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def report_events(run_id, *named, worker="", epoch=0):
    """A report of (type, task) pairs, whose ids name them."""
    events = tuple(ReportedEvent(f"{type_}/{task}", type_, task) for type_, task in named)
    return ReportEvents(TENANT, ORIGIN, run_id, events, worker, epoch)


def claim(run_id, worker="w1", epoch=1):
    return ClaimRun(TENANT, ORIGIN, run_id, worker, epoch)


def cancel(run_id, *, force=False):
    return CancelRun(TENANT, ORIGIN, run_id, force=force)


async def starts(process):
    """Every run that was ever queued."""
    return [event for event in await process.log.read(0, 10_000) if event.type == types.RUN_QUEUED]
