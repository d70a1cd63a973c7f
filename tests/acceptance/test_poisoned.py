"""P-4: an event that a read model cannot apply stops that one alone, until an operator mends it."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from events.codec import encode
from events.database import connect_pool
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.store import Log
from tests.acceptance.ledger import Client, Ledger

OTHERS = {"dispatch", "executions", "listings", "load_plans"}
REASON = "reported against an older plan"


@pytest.fixture
def whole(ledger: Ledger) -> dict[str, str]:
    """The headers of the ledger's administrator."""
    key = ledger.create_key("administrator", "*")
    return {"Authorization": f"Bearer {key['token']}"}


async def poison(ledger: Ledger, run_id: str) -> int:
    """Append what no front door would: a task that the run's plan does not have."""
    pool = await connect_pool(ledger.environment["FLOWLEDGER_DATABASE_URL"], max_size=1)
    event = NewEvent(str(uuid4()), "TaskStarted", encode({"task": "NOWHERE"}), "mallory")
    stream = StreamAppend(f"run:{run_id}", ExpectedVersion.EXISTS, (event,))
    (answer,) = await Log(pool).append([AppendRequest("default", (stream,))])
    await pool.close()
    return answer.last_position


async def projections(client: Client, headers: dict[str, str]) -> dict[str, dict[str, Any]]:
    answer = await client.call("GET", "/v1/projections", headers=headers)
    return {row["name"]: row for row in answer["projections"]}


async def until_paused(client: Client, headers: dict[str, str], name: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (row := (await projections(client, headers))[name])["state"] != "paused":  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.02)
    return row


async def test_a_poison_event_pauses_one_read_model_and_an_operator_heals_it(
    ledger: Ledger, client: Client, whole: dict[str, str]
) -> None:
    sick = await client.start("example.EXTERNAL")
    poisoned = await poison(ledger, sick["run_id"])

    row = await until_paused(client, whole, "workflows")
    assert (row["error_position"], row["position"]) == (poisoned, poisoned - 1)
    assert "NOWHERE" in row["error"]

    # What an error quotes may be another tenant's.
    own = await projections(client, client.bearer)
    assert (own["workflows"]["error_position"], own["workflows"]["error"]) == (poisoned, None)
    assert "NOWHERE" not in json.dumps(await client.call("GET", "/health/ready"))

    # What needs that event says so; what was there before it is there.
    run = f"/v1/runs/{sick['run_id']}"
    for needs in (f"{run}/history", f"{run}?as_of={poisoned}"):
        late = await client.api("GET", needs, expect=503)
        assert f"position {poisoned}" in late["detail"]
    assert (await client.api("GET", f"{run}?as_of={poisoned - 1}"))["status"] == "queued"

    # The rest flows: a run is started, shown by all others, and by the log itself.
    well = await client.start("example.EXTERNAL")
    assert (await client.run(well["run_id"]))["status"] == "queued"
    for seen in (client.seen_by_etlworks, client.seen_by_invision, client.seen_by_naver):
        assert await seen(well)
    rows = await projections(client, whole)
    assert {name for name, each in rows.items() if each["lag_events"] == 0} == OTHERS
    assert {rows[name]["state"] for name in OTHERS} == {"running"}

    # To try again alone does not help, and says so.
    again = await client.call("POST", "/v1/projections/workflows/retry", headers=whole)
    assert again["outcome"] == "paused_again"
    assert again["projection"]["error_position"] == poisoned

    # Two operators skip it at once: one record, by whom and why.
    body = {"position": poisoned, "reason": REASON}
    skipped = await asyncio.gather(
        *(
            client.call("POST", "/v1/projections/workflows/skip", body=body, headers=whole)
            for _ in range(2)
        )
    )
    assert len({each["skipped_at"] for each in skipped}) == 1
    assert {each["outcome"] for each in skipped} == {"went_on"}
    log = (await client.call("GET", "/v1/events?limit=1000", headers=whole))["events"]
    (recorded,) = [event for event in log if event["type"] == "EventSkipped"]
    assert (recorded["actor"], recorded["position"]) == ("administrator", skipped[0]["skipped_at"])
    assert recorded["data"] == {
        "projection": "workflows", "version": 1, "position": poisoned, "reason": REASON,
    }  # fmt: skip

    assert (await projections(client, whole))["workflows"]["state"] == "running"
    shown = await client.run(sick["run_id"])
    assert [task["status"] for task in shown["tasks"]][:1] == ["pending"]

    # What was skipped is skipped in the past too, which is what was answered then.
    head = recorded["position"]
    for position in (poisoned, head):
        assert await client.api("GET", f"{run}?as_of={position}") == shown


async def test_command_line_heals_a_read_model_of_another_process(
    ledger: Ledger, client: Client, whole: dict[str, str]
) -> None:
    sick = await client.start("example.EXTERNAL")
    poisoned = await poison(ledger, sick["run_id"])
    await until_paused(client, whole, "workflows")

    failed = await asyncio.to_thread(ledger.attempt, "projections", "retry", "workflows")
    assert failed.returncode == 1
    assert f"paused again at position {poisoned}" in failed.stderr

    wrong = await asyncio.to_thread(
        ledger.attempt, "projections", "skip", "workflows", str(poisoned - 1),
        "--reason", REASON, "--yes",
    )  # fmt: skip
    assert wrong.returncode == 1
    assert f"paused at position {poisoned}" in wrong.stderr

    healed = await asyncio.to_thread(
        ledger.attempt, "projections", "skip", "workflows", "--reason", REASON, "--yes"
    )
    assert healed.returncode == 0, healed.stderr
    assert '"task": "NOWHERE"' in healed.stdout
    assert "runs again" in healed.stdout
    shown = [json.loads(line) for line in ledger.run(
        "events", "tail", "--after", "0", "--no-follow", "--json"
    ).splitlines()]  # fmt: skip
    (recorded,) = [event for event in shown if event["type"] == "EventSkipped"]
    assert (recorded["actor"], recorded["data"]["position"]) == ("cli", poisoned)

    done = await asyncio.to_thread(ledger.attempt, "projections", "retry", "workflows")
    assert done.returncode == 1
    assert "workflows version 1 is running" in done.stderr
