"""A run started through one vendor's API is read through all the others, across a restart."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.ledger import Client, Ledger

VENDORS = ("etlworks", "invision", "director", "naver", "incorta")
FLOW = "example.EXTERNAL"

WORDS = {
    "queued": {
        "api": "queued",
        "etlworks": "running",
        "invision": "Pending",
        "director": "pending",
        "naver": "READY",
        "incorta": ("Load State", "In Queue"),
    },
    "running": {
        "api": "running",
        "etlworks": "running",
        "invision": "Running",
        "director": "progress",
        "naver": "RUNNING",
        "incorta": ("Load State", "In Progress"),
    },
    "succeeded": {
        "api": "succeeded",
        "etlworks": "success",
        "invision": "Succeeded",
        "director": "success",
        "naver": "COMPLETED",
        "incorta": ("Terminator State", "Success"),
    },
}


async def seen(client: Client, run: dict[str, Any]) -> dict[str, Any]:
    readers = ("api", *VENDORS)
    return {name: await getattr(client, f"seen_by_{name}")(run) for name in readers}


def word(reader: str, answer: Any) -> Any:
    if reader == "incorta":
        return answer["status"]["stateType"], answer["status"]["jobStatus"]
    return answer["status"]


def words(answers: dict[str, Any]) -> dict[str, Any]:
    return {reader: word(reader, answer) for reader, answer in answers.items()}


@pytest.mark.parametrize("vendor", ["api", *VENDORS])
async def test_a_run_started_by_one_vendor_is_read_by_the_others_across_a_restart(
    ledger: Ledger, vendor: str
) -> None:
    process = await ledger.serve()
    async with Client(ledger, process) as client:
        run_id = await getattr(client, f"start_by_{vendor}")(FLOW)
        run = await client.run(run_id)
        assert words(await seen(client, run)) == WORDS["queued"]
        (task,) = run["tasks"]
        results = await client.report(
            run_id,
            {"event_id": "1", "type": "RunStarted"},
            {"event_id": "2", "type": "TaskStarted", "task": task["path"]},
        )
        assert [result["outcome"] for result in results] == ["recorded", "recorded"]
        while_running = await seen(client, run)
        assert words(while_running) == WORDS["running"]

        assert process.stop() == 0
        process.start()
        await process.ready()
        assert await seen(client, run) == while_running

        await client.report(
            run_id,
            {"event_id": "3", "type": "TaskSucceeded", "task": task["path"]},
            {"event_id": "4", "type": "RunSucceeded"},
        )
        at_the_end = await seen(client, run)
        assert words(at_the_end) == WORDS["succeeded"]

        process.kill()
        process.start()
        await process.ready()
        assert await seen(client, run) == at_the_end
