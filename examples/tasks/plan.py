"""The tables of example.PLAN: each task loads one, all into one SQLite file of the run."""

import sqlite3
from contextlib import closing

from service.tasks import TaskFunction, report, task

from .files import new_folder, read_penguins
from .statements import statement, statements

TABLES = ("regions", "islands", "species", "sexes", "studies", "penguins", "isotopes")
BUSY_S = 30


@task(name="CREATE_DATABASE")
def create_database(*_args: object, **_kwargs: object) -> dict[str, str]:
    """Make the run's database, with the birds as they come; the result is its file."""
    file = new_folder() / "plan.sqlite"
    birds = [tuple(row.values()) for row in read_penguins()]
    with closing(sqlite3.connect(file)) as connection, connection:
        for _, sql in statements("create_plan"):
            connection.execute(sql)
        connection.executemany(statement("load_birds"), birds)
    report.metric("rows_staged", len(birds))
    return {"database": str(file)}


def _loader(table: str) -> TaskFunction:
    @task(name=f"LOAD_{table.upper()}")
    def load(previous: dict | list, **_kwargs: object) -> dict:
        database = _database(previous)
        with closing(sqlite3.connect(database, timeout=BUSY_S)) as connection, connection:
            rows = connection.execute(statement(f"load_{table}")).rowcount
        report.metric("rows_loaded", rows)
        return {"database": database, "rows": rows}

    return load


def _database(previous: dict | list) -> str:
    # After a group comes the list of its results.
    while isinstance(previous, list):
        previous = previous[0]
    return previous["database"]


LOADERS = [_loader(table) for table in TABLES]
