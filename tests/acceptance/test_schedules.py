"""Flows start by themselves: two processes, one of them killed, and a catalogue that changes."""

from __future__ import annotations

import asyncio
import json
import textwrap
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.ledger import Client, Ledger

FLOWS = """
    tick.SECOND:
      executor: external
      tasks: [ONE]
      periodic: {{{periodic}, payload: {{full: false}}}}
"""
NEVER_SOON = "crontab: 0 0 29 2 *"
PATIENCE_S = 45
"""Shorter than a scheduler waits by itself: it is told of a load."""


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    folder.mkdir()
    write(folder, NEVER_SOON)
    return folder


def write(folder: Path, periodic: str) -> None:
    text = textwrap.dedent(FLOWS.format(periodic=periodic))
    (folder / "flows.yaml").write_text(text)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path, flows: Path) -> Any:
    ledger = Ledger(database_url, tmp_path, FLOWLEDGER_FLOWS=str(flows))
    ledger.set_up(flows)
    yield ledger
    ledger.close()


async def runs(client: Client) -> list[dict[str, Any]]:
    return (await client.api("GET", "/v1/runs?limit=200"))["runs"]


async def until_there_are(client: Client, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await runs(client)) < count:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.05)
    return found


async def due_times(client: Client) -> list[datetime]:
    events = (await client.api("GET", "/v1/events?limit=1000"))["events"]
    fired = [event["data"]["schedule"] for event in events if "schedule" in event["data"]]
    return [datetime.fromisoformat(schedule["due_at"]) for schedule in fired]


async def flow_at(client: Client, version: int) -> dict[str, Any]:
    """The one flow, once the list shows this version: a read model, it follows the log."""

    async def listed() -> list[dict[str, Any]]:
        return (await client.api("GET", "/v1/flows"))["flows"]

    async with asyncio.timeout(PATIENCE_S):
        while not (found := await listed()) or found[0]["version"] != version:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.05)
    [flow] = found
    return flow


async def test_schedule_starts_its_flow_once_each_second_through_a_kill_and_a_load(
    ledger: Ledger, flows: Path
) -> None:
    one, two = await asyncio.gather(ledger.serve(), ledger.serve())
    async with Client(ledger, one) as first:
        assert (await flow_at(first, 1))["next_due_at"][:16].endswith("02-29T00:00")
        write(flows, "interval: 1")
        ledger.run("flows", "load", str(flows))
        await until_there_are(first, 3)
        two.kill()
        [run, *_] = await until_there_are(first, 6)
        assert (run["trigger"], run["started_by"]) == ("schedule", "schedule")
        assert run["payload"] == {"full": False}
        assert (await first.seen_by_director(run))["periodic"] is True
        [shown] = json.loads(ledger.run("flows", "list", "--json"))
        assert shown["last_due"]["outcome"] == "started"
        assert shown["last_due"]["due_at"] < shown["next_due_at"]
        async with first.session.get(f"{one.url}/metrics", headers=first.bearer) as response:
            assert 'flowledger_schedule_firings_total{outcome="started"}' in await response.text()
        due = await due_times(first)
        # Each second once; where a second had no turn, the next made good for it, and says so.
        assert len(set(due)) == len(due)
        assert all(at.microsecond == 0 for at in due)

        write(flows, NEVER_SOON)
        ledger.run("flows", "load", str(flows))
        await flow_at(first, 3)
        await first.start("tick.SECOND")  # decided on the catalogue as it is now
        before = await due_times(first)
        async with Client(ledger, await ledger.serve()) as third:
            await third.start("tick.SECOND")
            assert await due_times(third) == before
