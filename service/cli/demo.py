"""``flowledger demo``: the whole service with sample flows, a key and example requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from projections.documents.run import ExecutionDocument
from service.access import Origin
from service.api import rendering
from service.auth.credentials import Credentials, NewCredential
from service.cli.curl_examples import examples
from service.cli.ledger import database, run
from service.errors import InvalidSetting
from service.flows.definitions import load_definitions
from service.flows.registration import register
from service.ops.migrations import migrate_all
from service.ops.watchdog import Watchdog
from service.runs.domain.commands import StartRun
from service.runtime import Service
from service.serving import STOP_MARGIN_S, end_process, serving, wait_until_stopped
from service.settings import Settings, make_secret_key, read_settings

TENANT: Final = "default"
KEY: Final = "demo"
ORIGIN: Final = Origin(actor=KEY, source="cli")
EXAMPLES: Final = Path(__file__).parents[2] / "examples"
FIRST: Final = ("example.ETL", "example.RANDOMS", "example.FAIL", "example.WARN", "example.PLAN")
LAST: Final = "example.SLOW"
WAIT_S: Final = 20.0
"""How long the demo waits for its first runs before it shows them as they are."""


@click.command()
def demo() -> None:
    """Run the whole service with sample flows, and print a key and a request for each API.

    Without FLOWLEDGER_DATABASE_URL an embedded Postgres runs in FLOWLEDGER_HOME/postgres.
    """
    run(_demo())


VERB = demo


async def _demo() -> None:
    make_secret_key(read_settings().home)
    given = read_settings()
    given = replace(given, flows=given.flows or _examples())
    async with database(given) as settings:
        await migrate_all(settings.require_database_url)
        with Watchdog(settings.watchdog_s) as watchdog:
            async with serving(settings) as (service, address):
                await _load(service, settings)
                key = await _new_key(service.credentials)
                docs = await _first_runs(service)
                click.echo(_page(service, str(address), key, docs))
                status = await wait_until_stopped(service)
                watchdog.end_within(settings.grace_s + STOP_MARGIN_S)
    end_process(status)


def _examples() -> Path:
    if not EXAMPLES.is_dir():
        raise InvalidSetting(
            "FLOWLEDGER_FLOWS",
            "is not set, and this installation has no examples; name the folder with flows.yaml",
        )
    return EXAMPLES


async def _load(service: Service, settings: Settings) -> None:
    assert settings.flows is not None  # noqa: S101 - set above
    await register(
        service.log,
        service.catalogue,
        tenant=TENANT,
        definitions=load_definitions(settings.flows),
        dialects=service.dialects,
        origin=ORIGIN,
    )


async def _new_key(credentials: Credentials) -> NewCredential:
    # Secrets cannot be shown again: each demo makes a key and revokes the previous one.
    for old in await credentials.list(TENANT):
        if old.principal.name == KEY and old.revoked_at is None:
            await credentials.revoke(old.principal.key_id, origin=ORIGIN)
    return await credentials.create(tenant=TENANT, role="administrator", name=KEY, origin=ORIGIN)


async def _first_runs(service: Service) -> Sequence[ExecutionDocument]:
    known = [name for name in FIRST if service.catalogue.find(TENANT, name)]
    outcomes = await asyncio.gather(
        *(
            service.writer.submit(StartRun(tenant=TENANT, origin=ORIGIN, fullname=name))
            for name in known
        )
    )
    run_ids = [outcome.run_id for outcome in outcomes]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(
                *(service.queries.wait_until_ended(TENANT, each) for each in run_ids)
            )
    return await asyncio.gather(*(service.queries.execution(TENANT, each) for each in run_ids))


def _page(
    service: Service, address: str, key: NewCredential, docs: Sequence[ExecutionDocument]
) -> str:
    shown = [rendering.run(doc, service.dialects) for doc in docs]
    text = [
        f"\nFlowledger serves at {address}  (operations: {address}/docs)\n",
        "Runs of the sample flows:",
        *(f"  {run['flow']['fullname']:<16} {run['status']:<10} {run['run_id']}" for run in shown),
        "\nA key for you:",
        f"  token      {key.token}",
        f"  basic      {key.username}:{key.password}",
        f"  naver      {key.access_key} / {key.secret_key}",
    ]
    if shown:
        run = shown[-1]
        text.append(
            f"\nOne run ({run['flow']['fullname']}) through every API; paste a line into a shell:"
        )
        text += [f"\n# {each.title}\n{each.shell}" for each in examples(address, key, run)]
    if service.catalogue.find(TENANT, LAST):
        text.append(
            f"\n# Start one\ncurl -s -H 'Authorization: Bearer {key.token}' "
            f"-H 'Content-Type: application/json' "
            f'-d \'{{"flow": "{LAST}", "payload": {{"sleep": 5}}}}\' {address}/v1/runs'
        )
    text.append("\nServing until Ctrl-C.")
    return "\n".join(text)
