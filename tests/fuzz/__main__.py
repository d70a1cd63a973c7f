"""Fuzzes a real service over its own document: `python -m tests.fuzz --cases 5000 --seed 1`.

Every operation of every dialect gets its share of the cases, well-formed ones and others, with the
credentials of every role, of another tenant, unknown ones and none. A server error or a status that
the document does not name is a finding; the programme then ends with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import schemathesis
import yaml

from tests import postgres
from tests.acceptance.ledger import Client, Ledger
from tests.fuzz.asking import Asking
from tests.fuzz.cases import Operation, operations
from tests.fuzz.findings import Findings

FLOWS = Path(__file__).with_name("flows.yaml")
SEED = 4
A_ROUND = 20
"""Cases of an operation a round, at most."""

ROUNDS = 200
"""Rounds at most: an operation without parameters has few different cases a round."""


async def prepare(ledger: Ledger) -> str:
    """Serve, and make a run of each flow and a retry of it for the cases to ask for."""
    ledger.set_up(FLOWS)
    process = await ledger.serve()
    async with Client(ledger, process) as client:
        for flow in ledger.flows:
            run = await client.start(flow, {"day": 1})
            await client.ended(run["run_id"])
            await client.api("POST", f"/v1/runs/{run['run_id']}/retry", {}, expect=201)
    return process.url


def fuzz(found: list[Operation], cases: int, seed: int, findings: Findings) -> Counter[str]:
    """Send so many cases, in rounds, until they are reached."""
    counts: Counter[str] = Counter()
    for number in range(ROUNDS):
        left = cases - counts.total()
        if left <= 0:
            break
        for operation in found:
            share = min(max(left // len(found), 1), A_ROUND, cases - counts.total())
            if share > 0:
                for status in operation.send(share, seed=seed * 1000 + number, findings=findings):
                    counts[f"{status // 100}xx"] += 1
    return counts


def main() -> int:
    """Fuzz, print what it came to, and say whether anything was found."""
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="operation ids that contain this")
    asked = parser.parse_args()
    print(f"fuzzing with seed {asked.seed}, {asked.cases} cases", flush=True)
    with postgres.own_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        postgres.apart(postgres.migrate_whole(cluster.url))
        ledger = Ledger(cluster.url, Path(folder), FLOWLEDGER_FLOWS=str(FLOWS.parent))
        try:
            return _run(ledger, asked)
        finally:
            ledger.close()


def _run(ledger: Ledger, asked: argparse.Namespace) -> int:
    asking = Asking(ledger, asyncio.run(prepare(ledger)))
    document = yaml.safe_load(asking.get("/openapi.yaml"))
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.with_security_parameters = False  # `Asking` shows credentials
    found = [each for each in operations(schema, asking) if asked.only in each.name]
    findings = Findings()
    began = time.monotonic()
    counts = fuzz(found, asked.cases, asked.seed, findings)
    took = time.monotonic() - began
    print(f"{counts.total()} cases of {len(found)} operations in {took:.0f} s: {dict(counts)}")
    for operation in found:
        if not operation.succeeded:
            print(f"  {operation.name} never answered a success: {dict(operation.statuses)}")
    findings.print()
    crashed = ledger.processes[0].log.read_text().count("request crashed")
    print(f"{len(findings)} findings, {crashed} crashes in the log")
    return int(bool(findings) or crashed > 0 or counts.total() < asked.cases)


if __name__ == "__main__":
    sys.exit(main())
