"""One operation at a number of connections, of each subject in turn, round after round."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import ModuleType

from tests.benchmarks import stage
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.load import Measured, measure
from tests.benchmarks.serving import director, limit, ours, prefect
from tests.benchmarks.serving.subject import Subject

OURS: tuple[ModuleType, ...] = (limit, ours)
PEERS: tuple[ModuleType, ...] = (director, prefect)
SETTLE_S, WARM_S = 1.0, 0.5
"""What a server gets to catch up with the time that it was held, and to warm up under load."""

CANCELS = 3_000
"""Most runs that are made ready to be cancelled in a round; no subject cancels more a second."""


@asynccontextmanager
async def subjects(
    admin: str, folder: Path, filled: int, modules: Sequence[ModuleType]
) -> AsyncIterator[list[Subject]]:
    """All servers at work, each held but for its turns."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(held(module.serving(admin, folder, filled)))
            for module in modules
        ]


@asynccontextmanager
async def held(serving: AbstractAsyncContextManager[Subject]) -> AsyncIterator[Subject]:
    """A server at work, held but for its turns."""
    async with serving as subject:
        stage.hold(subject.pid)
        try:
            yield subject
        finally:
            stage.release(subject.pid)


async def rounds(
    found: Sequence[Subject], operation: str, *, connections: int, count: int, seconds: float
) -> list[Figure]:
    taken: dict[str, list[Measured]] = {}
    memory: dict[str, float] = {}
    offering = [subject for subject in found if operation in subject.operations]
    for _ in range(count):
        for subject in offering:
            with _turn(subject):
                await asyncio.sleep(SETTLE_S)
                each = await _round(subject, operation, connections, seconds)
                taken.setdefault(subject.name, []).append(each)
                memory[subject.name] = round(stage.memory_mib(subject.pid), 1)
            print(f"  {operation:18} {connections:4}  {subject.name:16} {each}", flush=True)
    return [figure(name, each, memory_mib=memory[name]) for name, each in taken.items()]


@contextlib.contextmanager
def _turn(subject: Subject):
    stage.release(subject.pid)
    try:
        yield
    finally:
        stage.hold(subject.pid)


async def _round(subject: Subject, operation: str, connections: int, seconds: float) -> Measured:
    # What is sent once each is not spent on warming up.
    once = operation == "cancel"
    sent = await subject.operations[operation](_wanted(connections, seconds))
    return await measure(
        subject.port,
        sent,
        connections=connections,
        seconds=seconds,
        warm_s=0.0 if once and isinstance(sent, list) else WARM_S,
    )


def _wanted(connections: int, seconds: float) -> int:
    return min(CANCELS, max(200, int(connections * 40 * seconds)))
