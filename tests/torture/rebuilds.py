"""Rebuilds every read model under load, while clients read a list every 10 ms.

It runs after the other scenarios, on the ledger that they left. Nothing is killed any more, so no
read may fail.
"""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from projections.registry import discover
from tests.acceptance.ledger import Client, Ledger
from tests.kit.list_reader import Reader
from tests.torture.stage import Finding, Stage

SERVERS, WRITERS = 2, 6
FLOW = "example.EXTERNAL"
POLL_S = 0.05
PATIENCE_S = 600.0


async def run(stage: Stage) -> list[Finding]:
    ledger = Ledger(stage.url, _folder(stage))
    ledger.set_up()
    bearer = {"Authorization": f"Bearer {ledger.create_key('administrator', '*')['token']}"}
    try:
        async with AsyncExitStack() as stack:
            servers = [await ledger.serve() for _ in range(SERVERS)]
            clients = [await stack.enter_async_context(Client(ledger, each)) for each in servers]
            readers = [Reader(each.process.url, each.bearer) for each in clients]
            written: list[str] = []
            async with _working(readers, clients, written):
                rebuilt = [
                    await _rebuilt(clients[0], bearer, projection.name) for projection in discover()
                ]
        differing = await asyncio.gather(*(_verified(ledger, each.name) for each in discover()))
    finally:
        ledger.close()
    return [
        Finding("runs started beside rebuilds", len(written)),
        Finding("read models rebuilt", len(rebuilt)),
        Finding("events folded", sum(each["target"] for each in rebuilt)),
        Finding("lists read meanwhile", sum(each.answers for each in readers)),
        Finding(
            "failed, shrinking or older reads", sum(len(r.faults) for r in readers), fault=True
        ),
        Finding("rows that a rebuild left different", sum(differing), fault=True),
        Finding("longest read of a list, ms", round(max(r.longest_s for r in readers) * 1000)),
        Finding("longest cut-over, ms", max(each["result"]["held_ms"] for each in rebuilt)),
    ]


def _folder(stage: Stage) -> Path:
    folder = stage.folder / "rebuilds"
    folder.mkdir()
    return folder


@asynccontextmanager
async def _working(readers: list[Reader], clients: list[Client], written: list[str]):
    async def write(client: Client) -> None:
        while True:
            written.append((await client.start(FLOW))["run_id"])

    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    tasks += [asyncio.create_task(write(clients[n % SERVERS])) for n in range(WRITERS)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if not isinstance(error, asyncio.CancelledError):
            raise error


async def _rebuilt(client: Client, bearer: dict[str, str], name: str) -> dict:
    path = f"/v1/projections/{name}/rebuild"
    found = await client.call("POST", path, headers=bearer, expect=202)
    while found["phase"] != "finished":
        assert found["phase"] not in {"failed", "cancelled"}, found
        await asyncio.sleep(POLL_S)
        found = await client.call("GET", path, headers=bearer)
    print(f"  rebuilt {name}: {found['target']:,} events", flush=True)
    return found


async def _verified(ledger: Ledger, name: str) -> int:
    arguments = ("projections", "verify", name, "--json")
    done = await asyncio.to_thread(ledger.attempt, *arguments, timeout_s=PATIENCE_S)
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)["different"]
