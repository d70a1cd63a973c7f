"""``flowledger events export``, ``check`` and ``import``: the log as files."""

from __future__ import annotations

from pathlib import Path

import click

from events.export.compression import Compression
from events.export.importer import import_log
from events.export.reader import Cursor, Reader
from events.export.writer import open_target, start_export
from service.cli.ledger import QUIET, database, open_ledger, progress, run
from service.runs.write.number_sequence import ImportedNumbers
from service.settings import read_settings

LAST = 2**63 - 1
FILES = click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True))


@click.command("export")
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
@click.option(
    "--after", type=click.IntRange(0, LAST), help="Start after this position instead of at 1."
)
@click.option(
    "--to", type=click.IntRange(0, LAST), help="End at this position instead of the last."
)
@click.option(
    "--compress",
    type=click.Choice([Compression.ZSTD.value]),
    help="Compress, even if the name of FILE does not end in .zst.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@QUIET
def export_events(
    file: str, after: int | None, to: int | None, compress: str | None, force: bool, quiet: bool
) -> None:
    """Write the log with its hashes to FILE as NDJSON; "-" is standard output.

    Repeat the command to continue an export that was stopped.
    """
    compression = Compression(compress) if compress else None
    run(_export(file, compression, after=after, to=to, force=force, quiet=quiet))


async def _export(
    file: str,
    compression: Compression | None,
    *,
    after: int | None,
    to: int | None,
    force: bool,
    quiet: bool,
) -> None:
    async with open_ledger() as ledger:
        with open_target(file, compression, overwrite=force) as target:
            export = await start_export(ledger.pool, target, after=after, to=to)
            with progress(export.remaining, " events", quiet=quiet) as advanced:
                trailer = await export.run(advanced)
    if not quiet:
        click.echo(f"{trailer.events} events, SHA-256 {trailer.sha256}", err=True)


@click.command("check")
@FILES
@QUIET
def check_export(files: tuple[str, ...], quiet: bool) -> None:
    """Check the FILES of an export, in their order, without a database.

    Checks checksums, leaf hashes, positions and times. Stream versions, event ids and idempotency
    keys need the whole log: `flowledger events import` checks those.
    """
    run(_check(files, quiet=quiet))


async def _check(files: tuple[str, ...], *, quiet: bool) -> None:
    reader = Reader(files, Cursor())
    with progress(_size_bytes(files), "B", quiet=quiet) as advanced:
        for batch in reader.batches():
            advanced(batch.size_bytes)
    cursor = reader.cursor
    click.echo(f"whole and unchanged, up to position {cursor.position} of ledger {cursor.ledger}")


@click.command("import")
@FILES
@QUIET
def import_events(files: tuple[str, ...], quiet: bool) -> None:
    """Import the FILES of an export, in their order, into an empty ledger.

    All of the log is imported, or none of it. Like `flowledger migrate`, it needs the login role
    that owns the database. The log holds no secrets: create new keys afterwards.
    """
    run(_import(files, quiet=quiet))


async def _import(files: tuple[str, ...], *, quiet: bool) -> None:
    numbers = ImportedNumbers()
    async with database(read_settings()) as settings:
        with progress(_size_bytes(files), "B", quiet=quiet) as advanced:
            imported = await import_log(
                settings.require_database_url,
                files,
                advanced,
                on_records=numbers.see,
                before_commit=numbers.advance,
            )
    click.echo(f"imported {imported.head} events of ledger {imported.ledger}")
    click.echo("the log holds no secrets: create new keys with `flowledger keys create`")


def _size_bytes(files: tuple[str, ...]) -> int | None:
    paths = [Path(file) for file in files]
    return sum(path.stat().st_size for path in paths) if all(map(Path.is_file, paths)) else None
