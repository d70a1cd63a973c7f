"""``flowledger flows``: register the flows of a file, and list what is registered."""

from __future__ import annotations

from pathlib import Path

import click

from projections.documents.flow import Flow
from projections.documents.run import micros
from service.access import Origin
from service.api import rendering
from service.apis import discover
from service.auth.keys import check_tenant
from service.cli.ledger import Ledger, open_ledger, print_json, run
from service.flows.catalogue import Catalogue
from service.flows.definitions import FlowDefinition, load_definitions
from service.flows.registration import Changes, plan_changes, register
from service.schedules.last_fired import LastFired, LastFiredTable

TENANT = click.option("--tenant", default="default", show_default=True, help="The tenant.")
ORIGIN = Origin(actor="cli", source="cli")


@click.group()
def flows() -> None:
    """Load the flows of a file, and list those of a tenant."""


@flows.command()
@click.argument("path", type=click.Path(path_type=Path))
@TENANT
@click.option("--dry-run", is_flag=True, help="Only print what would change.")
def load(path: Path, tenant: str, dry_run: bool) -> None:
    """Replace all the tenant's flows with those in PATH, a flows.yaml or the folder with it.

    Prints what is added, changed and retired. A flow that the file no longer has is retired: its
    runs stay, and no new ones start. If the file has a mistake, nothing changes.
    """
    run(_load(path, tenant, dry_run=dry_run))


async def _load(path: Path, tenant: str, *, dry_run: bool) -> None:
    check_tenant(tenant)
    definitions = load_definitions(path)
    async with open_ledger() as ledger:
        changes = await _change(ledger, tenant, definitions, dry_run=dry_run)
    for line in changes.lines():
        click.echo(line)
    if dry_run:
        click.echo("dry run: nothing was changed")


async def _change(
    ledger: Ledger, tenant: str, definitions: tuple[FlowDefinition, ...], *, dry_run: bool
) -> Changes:
    catalogue = Catalogue(ledger.log)
    if not dry_run:
        return await register(
            ledger.log,
            catalogue,
            tenant=tenant,
            definitions=definitions,
            dialects=discover(),
            origin=ORIGIN,
        )
    await catalogue.refresh(tenant)
    return plan_changes(catalogue.for_tenant(tenant), definitions, discover())


@flows.command("list")
@TENANT
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with each vendor's ids.")
def list_flows(tenant: str, as_json: bool) -> None:
    """List the tenant's flows by name."""
    run(_list(tenant, as_json=as_json))


async def _list(tenant: str, *, as_json: bool) -> None:
    async with open_ledger() as ledger:
        catalogue = Catalogue(ledger.log)
        await catalogue.refresh(tenant)
        found, now = catalogue.all(tenant), micros(await ledger.log.clock())
        keys = [(tenant, flow.fullname) for flow in found]
        last_fired = await LastFiredTable(ledger.pool).read(keys)
    for flow in () if as_json else found:
        click.echo(_line(flow, now, last_fired.get((tenant, flow.fullname))))
    if as_json:
        print_json([_shown(flow, now, last_fired.get((tenant, flow.fullname))) for flow in found])


def _line(flow: Flow, now_us: int, fired: LastFired | None) -> str:
    line = f"{flow.fullname:<30} version {flow.version:<4} {flow.executor:<10}"
    if due := rendering.next_due(flow.definition, now_us):
        line += f" next due {due}"
    if due and fired and fired.outcome == "refused":
        line += f", {rendering.format_time(micros(fired.due_at))} refused: {fired.reason}"
    return line.rstrip()


def _shown(flow: Flow, now_us: int, fired: LastFired | None) -> dict[str, object]:
    return {
        "fullname": flow.fullname,
        "version": flow.version,
        "number": flow.number,
        "executor": flow.executor,
        "exclusive": flow.exclusive,
        "timeout_s": flow.timeout_s,
        "next_due_at": rendering.next_due(flow.definition, now_us),
        "last_due": fired and _last_due(fired),
        "definition": flow.definition,
        "vendor_ids": rendering.vendor_ids(flow.ids),
    }


def _last_due(fired: LastFired) -> dict[str, object]:
    due_at = rendering.format_time(micros(fired.due_at))
    return {"due_at": due_at, "outcome": fired.outcome, "reason": fired.reason or None}


VERB = flows
