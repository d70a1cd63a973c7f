"""``flowledger projections verify``: compare a read model with the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import click

from projections.projection import Version
from projections.registry import discover
from projections.verify.diff import Comparison, RowDifference, TableComparison
from projections.verify.full_verify import full_verification
from service.cli.ledger import QUIET, open_ledger, print_json, progress, run
from service.errors import UnknownReadModel

DIFFERS: Final = 1
SIDES: Final = {"only left": "only served", "only right": "only in the log"}


class NotVerified(click.ClickException):
    """The read model could not be verified."""

    exit_code = 2


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@QUIET
def verify(name: str, as_json: bool, quiet: bool) -> None:
    """Compare the read model NAME with the log, and name each row and column that differs.

    Exit status 0: they are equal; 1: they differ; 2: they could not be compared. Serving continues
    meanwhile, and the command changes nothing.
    """
    try:
        run(_verify(name, as_json=as_json, quiet=quiet))
    except click.ClickException as error:
        raise NotVerified(error.message) from error


async def _verify(name: str, *, as_json: bool, quiet: bool) -> None:
    _check_name(name)
    async with open_ledger() as ledger:
        url = ledger.settings.require_database_url
        async with full_verification(url, ledger.pool, name) as check:
            with progress(check.position, "events", quiet=quiet) as step:
                found = await check.run(step)
    if as_json:
        print_json(_json(check.version, found))
    else:
        click.echo("\n".join(_lines(check.version, found)))
    if found.different:
        raise click.exceptions.Exit(DIFFERS)


def _check_name(name: str) -> None:
    known = [projection.name for projection in discover()]
    if name not in known:
        raise UnknownReadModel(name, None, known)


def _json(version: Version, found: Comparison) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.number,
        "different": found.different,
        "left": "served",
        "right": "folded from the log",
        **asdict(found),
    }


def _lines(version: Version, found: Comparison) -> Iterator[str]:
    rows = sum(table.rows for table in found.tables)
    verdict = (
        f"{found.different} of {rows} rows differ" if found.different else f"{rows} rows agree"
    )
    yield f"{version.name} version {version.number} at position {found.position}: {verdict}"
    for table in found.tables:
        if table.different:
            yield from _table(table)


def _table(table: TableComparison) -> Iterator[str]:
    yield (
        f"{table.table}: {table.differing} differ, {table.only_left} are only served,"
        f" {table.only_right} are only in the log"
    )
    for row in table.shown:
        yield from _row(row)
    if (left := table.different - len(table.shown)) > 0:
        yield f"  and {left} more"


def _row(row: RowDifference) -> Iterator[str]:
    key = " ".join(f"{column}={value!r}" for column, value in row.key.items())
    yield f"  {key}" + (f" {SIDES[row.kind]}" if row.kind in SIDES else "")
    for column in row.columns:
        for each in column.shown:
            yield (
                f"    {column.column}{each.path}: served {_value(each.left)},"
                f" the log says {_value(each.right)}"
            )
        if (left := column.count - len(column.shown)) > 0:
            yield f"    and {left} more in {column.column}"


def _value(written: str | None) -> str:
    return "nothing" if written is None else written
