"""``flowledger doctor``: what is wrong with a ledger, and what cures it."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path
from typing import Final

import click

from service.cli.ledger import database, print_json, run
from service.doctor.examination import Patient, examine
from service.doctor.findings import Finding, Report
from service.embedded import EmbeddedPostgresError, open_cluster
from service.settings import Settings, read_settings

_COLORS: Final = {"ok": "green", "warning": "yellow", "error": "red"}
_INDENT: Final = " " * 24


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Check the ledger and its database, and say what cures what is wrong.

    Nothing is changed. Exit status 0: no error, perhaps warnings; 1: an error.
    """
    run(_doctor(as_json=as_json))


VERB = doctor


async def _doctor(*, as_json: bool) -> None:
    report = await _examine(read_settings())
    if as_json:
        print_json(report.as_json())
    else:
        _print(report)
    if report.level == "error":
        raise click.exceptions.Exit(1)


async def _examine(settings: Settings) -> Report:
    if settings.database_url is None and not _has_cluster(settings.home):
        cure = "set FLOWLEDGER_DATABASE_URL, or make a ledger there with `flowledger demo`"
        text = f"FLOWLEDGER_DATABASE_URL is not set, and {settings.home} has no embedded Postgres"
        return Report([Finding("database", "error", text, cure)])
    try:
        async with database(settings) as found:
            embedded = settings.database_url is None
            folder = open_cluster(settings.home).data if embedded else None
            return await examine(Patient(found, folder))
    except EmbeddedPostgresError as error:
        return Report([Finding("database", "error", str(error), "see its message")])


def _has_cluster(home: Path) -> bool:
    # Opening a cluster would make one.
    return any((home / "postgres" / name).exists() for name in ("data", "location"))


def _print(report: Report) -> None:
    for finding in report.findings:
        level = click.style(f"{finding.level:<8}", fg=_COLORS[finding.level])
        click.echo(f"{level} {finding.check:<14} {finding.text}")
        if finding.cure:
            click.echo(textwrap.indent(f"cure: {finding.cure}", _INDENT))
    if report.not_checked:
        click.echo(f"not checked: {', '.join(report.not_checked)}")
    count = Counter(each.level for each in report.findings)
    click.echo(f"errors: {count['error']}, warnings: {count['warning']}")
