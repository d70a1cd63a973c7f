"""Dumps a ledger that is written to at random moments, and restores each in a random way.

It runs after the other scenarios, on two clusters of its own.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from events.errors import LogError
from projections.errors import ProjectionError
from service.serving import serving
from service.settings import Settings
from tests.acceptance.ledger import SECRET_KEY, Client, Ledger
from tests.kit.dumps import WAYS, at, dump, migrate_with_help, restore
from tests.kit.duration import times
from tests.kit.ledger_reads import digest, read_runs
from tests.postgres import OwnCluster, own_cluster
from tests.torture.stage import Finding, Stage

FLOW = "example.EXTERNAL"
STARTS = 3
"""Runs that are started while a dump is made."""

UNMIGRATED = 0.25
"""The share of copies that are served without a migration."""

NEWEST = 20
"""So many runs are compared."""

CURE = "flowledger migrate"


@dataclass
class Account:
    """What became of the copies."""

    served: int = 0
    refused: int = 0
    different: int = 0
    refused_without_cure: int = 0
    faults: list[str] = field(default_factory=list)


async def run(stage: Stage) -> list[Finding]:
    folder = stage.folder / "restores"
    folder.mkdir()
    account, choose = Account(), random.Random(stage.killer.seed)
    with own_cluster() as source, own_cluster() as target:
        ledger = Ledger(source.url, folder)
        try:
            await asyncio.to_thread(ledger.set_up)
            process = await ledger.serve()
            async with Client(ledger, process) as client:
                for _ in range(times(short=2, full=300)):
                    await _restore(client, target, choose, account)
        finally:
            ledger.close()
    for fault in account.faults:
        print(f"  {fault}", flush=True)
    return [
        Finding("dumps restored", account.served + account.refused),
        Finding("of them refused until migrated", account.refused),
        Finding("restored ledgers that read differently", account.different, fault=True),
        Finding("refused without the cure", account.refused_without_cure, fault=True),
    ]


async def _restore(
    client: Client, target: OwnCluster, choose: random.Random, account: Account
) -> None:
    way, url = choose.choice(WAYS), client.ledger.environment["FLOWLEDGER_DATABASE_URL"]
    made, *_ = await asyncio.gather(
        asyncio.to_thread(dump, url, *way.options), *(client.start(FLOW) for _ in range(STARTS))
    )
    restored = await restore(made, target, way)
    if choose.random() > UNMIGRATED:
        await migrate_with_help(restored, target)
    try:
        equal = await _reads_equal(client, target, restored)
    except (LogError, ProjectionError) as error:
        account.refused += 1
        if CURE not in str(error):
            account.refused_without_cure += 1
            account.faults.append(f"{way}: {error}")
        return
    account.served += 1
    if not equal:
        account.different += 1
        account.faults.append(f"{way}: it reads differently")


async def _reads_equal(client: Client, target: OwnCluster, restored: str) -> bool:
    """Compare a copy with what the original says as of the copy's last position.

    Raises:
        LogError: the copy was not served.
    """
    token = client.ledger.key["token"]
    original = client.ledger.environment["FLOWLEDGER_DATABASE_URL"]
    settings = Settings(
        database_url=restored, port=0, secret_key=bytes.fromhex(SECRET_KEY), drain_s=0, grace_s=0
    )
    async with serving(settings) as (service, address):
        if reasons := service.readiness.reasons():
            raise LogError(str(reasons))
        head = await service.log.head()
        # Its read models may have been behind the log when it was dumped.
        theirs = await read_runs(address, token, min_position=head, limit=NEWEST)
    ours = await read_runs(client.process.url, token, as_of=head, limit=NEWEST)
    return theirs == ours and await digest(at(target.url), head) == await digest(original, head)
