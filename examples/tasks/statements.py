"""The SQL of the examples, each statement in a file of its own."""

import sqlite3
from pathlib import Path

from service.tasks import StatementError

SQL = Path(__file__).parent / "sql"


def statement(name: str) -> str:
    """Read a statement."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def statements(name: str) -> list[tuple[int, str]]:
    """Read a script of several statements: each with the line it begins at, from 1."""
    found, lines, first = [], [], 0
    for number, line in enumerate(statement(name).splitlines(), 1):
        if not lines and (not line.strip() or line.startswith("--")):
            continue
        first = first if lines else number
        lines.append(line)
        if sqlite3.complete_statement("\n".join(lines)):
            found.append((first, "\n".join(lines)))
            lines = []
    return found


def execute(connection: sqlite3.Connection, sql: str, row: dict, *, line: int, what: str) -> None:
    """Execute a statement of a script for a row; its failure names statement and line."""
    try:
        connection.execute(sql, row)
    except sqlite3.Error as error:
        message = f"{what}: {error}"
        raise StatementError(message, statement=sql, line=line) from error
