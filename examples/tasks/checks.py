"""Tasks that look closely: one warns of what is missing, one fails on it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from service.tasks import report, task

from .files import read_rows
from .statements import execute, statements

MEASURED = ("Culmen Length (mm)", "Flipper Length (mm)", "Body Mass (g)", "Sex")


@task(name="CHECK_MEASUREMENTS")
def check_measurements(folder: str, **_kwargs: object) -> int:
    """Warn of each bird that lacks a measurement."""
    rows = read_rows(Path(folder) / "extracted.jsonl")
    incomplete = 0
    for number, row in enumerate(rows, 1):
        missing = [name for name in MEASURED if row[name] == "NA"]
        if missing:
            incomplete += 1
            report.warn(f"row {number}, {row['Individual ID']}: no {', '.join(missing)}")
    report.metric("rows_checked", len(rows))
    report.metric("rows_incomplete", incomplete)
    return incomplete


@task(name="LOAD_STRICT")
def load_strict(folder: str, **_kwargs: object) -> str:
    """Load into a table that takes no bird that was not weighed: it fails on the first."""
    rows = read_rows(Path(folder) / "transformed.jsonl")
    (_, create), (line, insert) = statements("load_strict")
    with closing(sqlite3.connect(Path(folder) / "strict.sqlite")) as connection, connection:
        connection.execute(create)
        for number, row in enumerate(rows, 1):
            execute(connection, insert, row, line=line, what=f"row {number}")
            report.metric("rows_loaded", number)
    return folder
