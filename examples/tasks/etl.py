"""EXTRACT, TRANSFORM, LOAD: the CSV of penguins into a table."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg

from service.tasks import report, task

from .files import new_folder, read_penguins, read_rows, write_rows
from .statements import statement

COLUMNS = {
    "study": "studyName",
    "sample": "Sample Number",
    "species": "Species",
    "island": "Island",
    "date_egg": "Date Egg",
    "flipper_length_mm": "Flipper Length (mm)",
    "body_mass_g": "Body Mass (g)",
    "sex": "Sex",
}
NUMBERS = {"sample", "flipper_length_mm", "body_mass_g"}
POSTGRES = "EXAMPLES_POSTGRES_URL"


@task(name="EXTRACT")
def extract(*_args: object, **_kwargs: object) -> str:
    """Read the CSV; the result is the run's folder with the rows in it."""
    rows = read_penguins()
    folder = new_folder()
    write_rows(folder / "extracted.jsonl", rows)
    report.metric("rows_read", len(rows))
    return str(folder)


@task(name="TRANSFORM")
def transform(folder: str, **_kwargs: object) -> str:
    """Keep and name the columns we want; NA becomes null."""
    rows = [_transformed(row) for row in read_rows(Path(folder) / "extracted.jsonl")]
    write_rows(Path(folder) / "transformed.jsonl", rows)
    report.metric("rows_transformed", len(rows))
    report.metric("rows_incomplete", sum(None in row.values() for row in rows))
    return folder


def _transformed(row: dict[str, str]) -> dict:
    return {name: _value(name, row[column]) for name, column in COLUMNS.items()}


def _value(name: str, text: str) -> str | int | None:
    if text == "NA":
        return None
    return int(text) if name in NUMBERS else text


@task(name="LOAD")
def load(folder: str, *, payload: dict, **_kwargs: object) -> dict:
    """Load the rows into SQLite in the run's folder, or into the Postgres that the worker names."""
    rows = read_rows(Path(folder) / "transformed.jsonl")
    target = payload.get("target", "sqlite")
    if target == "postgres":
        asyncio.run(_load_postgres(rows))
    else:
        target = str(Path(folder) / "penguins.sqlite")
        _load_sqlite(Path(target), rows)
    report.metric("rows_loaded", len(rows))
    return {"target": target, "rows": len(rows)}


def _load_sqlite(file: Path, rows: list[dict]) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement("create_penguins"))
        connection.executemany(statement("load_penguins_sqlite"), rows)


async def _load_postgres(rows: list[dict]) -> None:
    # The address is a secret: it comes from the worker's environment, never from a payload.
    if POSTGRES not in os.environ:
        msg = f"{POSTGRES} must name the Postgres to load into"
        raise LookupError(msg)
    connection = await asyncpg.connect(os.environ[POSTGRES])
    try:
        async with connection.transaction():
            # Two runs that make the table at once would collide in Postgres' own catalogue.
            await connection.execute("select pg_advisory_xact_lock(hashtext('example.ETL'))")
            await connection.execute(statement("create_penguins"))
            await connection.executemany(
                statement("load_penguins_postgres"), [tuple(row.values()) for row in rows]
            )
    finally:
        await connection.close()


@task(name="SUMMARISE")
def summarise(folder: str, *, payload: dict, **_kwargs: object) -> dict[str, int]:
    """Count the birds of each species."""
    if payload.get("fail"):
        msg = "failed, as the payload asks"
        raise RuntimeError(msg)
    counts = {}
    for row in read_rows(Path(folder) / "transformed.jsonl"):
        counts[row["species"]] = counts.get(row["species"], 0) + 1
    return counts
