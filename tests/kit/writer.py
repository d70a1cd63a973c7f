"""A process that writes runs and notes each acknowledged append, until it is killed.

`python -m tests.kit.writer URL NOTES` writes until it is killed or its input ends. A request's id
is the correlation id of its events, and their metadata have its number of events, so that
`tests.kit.stored_log` can recognise a partial request.
"""

import asyncio
import os
import sys
import uuid
from pathlib import Path

from events import types
from events.batcher import Batcher
from events.codec import encode
from events.database import connect_pool
from events.envelope import AppendRequest, AppendResult, NewEvent, StreamAppend
from events.errors import AppendTimeout, LogUnavailable
from events.store import Log
from service.runs.write.ids import RunNumbers
from service.runs.write.number_sequence import NumberBlocks
from tests.events.builders import running
from tests.kit.reader import again
from tests.projections.histories import ONE, TENANT, History, requests

FLOW = "torture.LOAD"
CALLERS = 8


async def register_flow(log: Log) -> None:
    """Write the flow whose runs the writers write."""
    history = History()
    history.register(FLOW, ONE, executor="external")
    await log.append(requests(history.events))


class Writer:
    """Callers of one process, each with two runs at a time that share their requests."""

    def __init__(self, batcher: Batcher, numbers: RunNumbers, notes: int) -> None:
        self._batcher = batcher
        self._numbers = numbers
        self._notes = notes
        self.stopping = False

    async def write(self) -> None:
        while not self.stopping:
            runs = [str(uuid.uuid4()), str(uuid.uuid4())]
            queued = [await self._queued(run) for run in runs]
            await self._send({run: (0, [body]) for run, body in zip(runs, queued, strict=True)})
            task = {"task": "LOAD", "attempt": 1}
            began = [(types.RUN_STARTED, {}), (types.TASK_STARTED, task)]
            await self._send(dict.fromkeys(runs, (1, began)))
            told = {"task": "LOAD", "metrics": {"rows": 5}}
            ended = [(types.TASK_SUCCEEDED, told), (types.RUN_SUCCEEDED, {})]
            await self._send(dict.fromkeys(runs, (3, ended)))

    async def _queued(self, run_id: str) -> tuple[str, dict]:
        number = await self._number()
        return types.RUN_QUEUED, {
            "run_id": run_id,
            "run_number": number,
            "flow": FLOW,
            "flow_version": 1,
            "executor": "external",
            "exclusive": False,
            "payload": {"n": number},
            "comment": None,
            "trigger": "on_demand",
            "started_by": "ops",
            "attempt": 1,
            "retry_of": None,
            "root_run": run_id,
            "root_run_number": number,
        }

    async def _number(self) -> int:
        while True:
            try:
                return await self._numbers.next()
            except LogUnavailable:
                await asyncio.sleep(0.05)

    async def _send(self, runs: dict[str, tuple[int, list[tuple[str, dict]]]]) -> None:
        name = str(uuid.uuid4())
        metadata = encode({"of": sum(len(told) for _, told in runs.values())})
        streams = tuple(
            StreamAppend(
                types.run_stream(run),
                expected,
                tuple(
                    NewEvent(
                        str(uuid.uuid4()),
                        type_,
                        encode(data),
                        "ops",
                        metadata=metadata,
                        correlation_id=name,
                    )
                    for type_, data in told
                ),
            )
            for run, (expected, told) in runs.items()
        )
        answer = await self._append(AppendRequest(TENANT, streams))
        # One write, beyond the process as soon as it returns: a kill takes none of it away.
        os.write(self._notes, f"{name} {answer.first_position} {answer.last_position}\n".encode())

    async def _append(self, request: AppendRequest) -> AppendResult:
        """Repeat with the same event ids for as long as the log is away, as callers are told to."""
        while True:
            try:
                return await self._batcher.append(request)
            except (LogUnavailable, AppendTimeout):
                await asyncio.sleep(0.05)


async def _pool(url: str):
    while True:
        try:
            return await connect_pool(url, max_size=3)
        except LogUnavailable:
            await asyncio.sleep(0.1)


async def main(url: str, notes: str) -> None:
    pool = await _pool(url)
    batcher, numbers = Batcher(Log(pool)), RunNumbers(NumberBlocks(pool).take)
    descriptor = os.open(Path(notes), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    writer = Writer(batcher, numbers, descriptor)
    async with running(again(batcher.run)):
        async with asyncio.TaskGroup() as callers:
            for _ in range(CALLERS):
                callers.create_task(writer.write())
            print("writes", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            writer.stopping = True
        await batcher.close()
    await numbers.close()
    await pool.close()
    os.close(descriptor)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
