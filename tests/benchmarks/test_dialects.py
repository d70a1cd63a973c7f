"""The vendors' GETs beside our own in the same run, and what full_verification a credential costs.

The goals: each GET of one thing within 1.5 times `GET /v1/runs/{id}`, each list of 50 within 1.5
times ours; a credential 10 us, a signature 20 us. What was reached: docs/reference/performance.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from service.dialects import discover
from service.runtime import SERVICE
from tests.acceptance.ledger import Client, Ledger
from tests.benchmarks.load import Measured, measure, request
from tests.benchmarks.test_http import best
from tests.dialects.serving import FLOWS, TENANT, serving
from tests.dialects.suite import Call
from tests.dialects.walk import client, lists

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]
NAMES = [dialect.name for dialect in discover()]
ROUNDS = 3
SECONDS = 1.0
CONNECTIONS = 16
ROWS = 50
CHECKS = 20_000


def sent(name: str, call: Call, key: Any) -> bytes:
    signed = client(name).sign(call, key)
    return request(signed.method, signed.target, headers=dict(signed.headers))


def reads(run: dict[str, Any]) -> Iterator[tuple[str, Call]]:
    """Every read of every vendor, a list with 50 rows a page."""
    for name in NAMES:
        for call in (*client(name).calls(run), *lists(name, run)):
            if call.method == "GET":
                target = call.target.partition("?limit=")[0]
                paged = target.endswith(("/executions", "/api/workflows"))
                yield (
                    name,
                    Call("GET", f"{target}?limit={ROWS}&per_page={ROWS}" if paged else call.target),
                )


def rows(body: str) -> int:
    """How long the list in an answer is; 0 where there is none."""
    try:
        shown = json.loads(body)
    except ValueError:
        return 0
    found = shown.values() if isinstance(shown, dict) else [shown]
    return max((len(value) for value in found if isinstance(value, list)), default=0)


async def test_every_get_of_a_vendor_beside_our_own(database_url: str, tmp_path: Path) -> None:
    ledger = Ledger(database_url, tmp_path)
    try:
        ledger.set_up(FLOWS)
        process = await ledger.serve()
        key = SimpleNamespace(**ledger.key)
        async with Client(ledger, process) as asking:
            for _ in range(ROWS):
                await asking.start("suite.ORDERS")
            run = await asking.start("suite.ORDERS")
            # What a vendor tells of flows reads them all, as our own list of them does.
            kinds = {
                "one": [("api /v1/flows", sent("api", Call("GET", "/v1/flows"), key))],
                "list": [],
            }
            for name, call in reads(run):
                headers = dict(client(name).sign(call, key).headers)
                async with asking.session.get(process.url + call.target, headers=headers) as answer:
                    body = await answer.text()
                    assert answer.status == 200, (name, call, body)
                kind = {ROWS: "list"}.get(rows(body), "one")
                kinds[kind].append((f"{name} {call.target[:60]}", sent(name, call, key)))
        ours = {"one": f"/v1/runs/{run['run_id']}", "list": f"/v1/runs?limit={ROWS}"}
        for kind, asked in kinds.items():
            limit = sent("api", Call("GET", ours[kind]), key)
            await _beside(kind, process.port, limit, asked)
    finally:
        ledger.close()


async def _beside(kind: str, port: int, limit: bytes, asked: list[tuple[str, bytes]]) -> None:
    taken: dict[str, list[Measured]] = {name: [] for name, _ in [("ours", limit), *asked]}
    for _ in range(ROUNDS):
        for name, call in [("ours", limit), *asked]:
            taken[name].append(await measure(port, call, connections=CONNECTIONS, seconds=SECONDS))
    ours = best(taken["ours"])
    print(f"\n{kind}: times our own GET, {CONNECTIONS} connections, median of {ROUNDS} rounds")
    for name, rounds in taken.items():
        assert not best(rounds).errors, name
        print(f"  {ours.per_s / best(rounds).per_s:5.2f}  {best(rounds)}  {name}")


def test_what_a_credential_costs(database_url: str) -> None:
    with serving(database_url) as server:
        key, application = server.keys["operator"], web.Application()
        application[SERVICE] = server.service
        print(f"\na credential, best of {ROUNDS} rounds of {CHECKS}")
        for dialect in server.service.dialects:
            call = client(dialect.name).sign(Call("GET", "/api/v1/workflows/x?page=0"), key)
            asked = make_mocked_request(
                call.method,
                call.target,
                headers=dict(call.headers),
                app=application,
                match_info={"tenant": TENANT},
            )
            took = min(
                server.run(_seconds_a_check(dialect, asked, server.service.credentials))
                for _ in range(ROUNDS)
            )
            print(f"  {took * 1e6:6.2f} us  {dialect.name}")


async def _seconds_a_check(dialect: Any, asked: web.Request, credentials: Any) -> float:
    began = time.perf_counter()
    for _ in range(CHECKS):
        await dialect.authenticate(asked, credentials)
    return (time.perf_counter() - began) / CHECKS
