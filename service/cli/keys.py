"""``flowledger keys``: create, list and revoke credentials."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click

from service.access import ALIASES, RIGHTS
from service.auth.key_rotation import rotate_secret_key
from service.auth.keys import Key
from service.cli.ledger import database, open_ledger, print_json, run
from service.settings import read_settings

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def keys() -> None:
    """Create, list and revoke keys, the credentials of clients."""


@keys.command()
@click.option("--tenant", required=True, help="The tenant of the key; '*' is the whole ledger.")
@click.option(
    "--role", required=True, type=click.Choice([*RIGHTS, *ALIASES]), help="What it may do."
)
@click.option("--name", required=True, help="Who will use it; recorded as the actor of each event.")
@click.option("--days", type=click.IntRange(1, 36500), help="Expire after this many days.")
@JSON
def create(tenant: str, role: str, name: str, days: int | None, as_json: bool) -> None:
    """Create a key, and print its secrets, which are never shown again."""
    run(_create(tenant=tenant, role=role, name=name, days=days, as_json=as_json))


async def _create(*, tenant: str, role: str, name: str, days: int | None, as_json: bool) -> None:
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    async with open_ledger() as ledger:
        credentials = await ledger.credentials()
        created = await credentials.create(
            tenant=tenant, role=role, name=name, expires_at=expires_at
        )
    shown = asdict(created)
    if as_json:
        print_json(shown)
        return
    for field, value in shown.items():
        click.echo(f"{field:<11} {value}")


@keys.command("list")
@click.option("--tenant", help="Only the keys of this tenant.")
@JSON
def list_keys(tenant: str | None, as_json: bool) -> None:
    """List all keys, also revoked and expired ones, oldest first, without their secrets."""
    run(_list(tenant, as_json=as_json))


async def _list(tenant: str | None, *, as_json: bool) -> None:
    async with open_ledger() as ledger:
        credentials = await ledger.credentials()
        rows = [_row(key) for key in await credentials.list(tenant)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(
            f"{row['key_id']}  {row['state']:<8} {row['tenant']:<12} {row['role']:<14} "
            f"{row['name']}"
        )


def _row(key: Key) -> dict[str, str | None]:
    who = key.principal
    return {
        "key_id": who.key_id,
        "state": _state(key),
        "tenant": who.tenant,
        "role": who.role,
        "name": who.name,
        "created_at": _time(key.created_at),
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
    }


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        return "expired"
    return "valid"


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


@keys.command()
@click.argument("key_id")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def revoke(key_id: str, yes: bool) -> None:
    """Revoke a key for ever; every process refuses it within a second."""
    if not yes:
        click.confirm(f"Revoke key {key_id} for ever?", abort=True)
    run(_revoke(key_id))


async def _revoke(key_id: str) -> None:
    async with open_ledger() as ledger:
        credentials = await ledger.credentials()
        key = await credentials.revoke(key_id)
    click.echo(f"revoked {key.principal.name} ({key_id})")


@keys.command("reseal")
@click.option("--dry-run", is_flag=True, help="Only print how many would change.")
def reseal_keys(dry_run: bool) -> None:
    """Encrypt all signing secrets under a new FLOWLEDGER_SECRET_KEY.

    FLOWLEDGER_OLD_SECRET_KEY is the previous key. Either all secrets change or none. Repeat the
    command for keys that were created under the previous key in the meantime.
    """
    run(_rotate(dry_run=dry_run))


async def _rotate(*, dry_run: bool) -> None:
    async with database(read_settings()) as settings:
        done = await rotate_secret_key(
            settings.require_database_url,
            old=settings.require_old_secret_key,
            new=settings.require_secret_key,
            dry_run=dry_run,
        )
    click.echo(f"{'would reseal' if dry_run else 'resealed'} {done.reencrypted} secrets")
    click.echo(f"already under the new key: {done.up_to_date}")


VERB = keys
