"""The rights of the service's role in a database: what is missing, and how it is put right.

A dump that is restored without owners, without privileges, or before the role was made, has all
data and lacks rights. Hence no migration grants any: each run of them compares and puts right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from events.database import APP_ROLE, load
from events.errors import MigrationRefused

LOG_RIGHTS: Final[Mapping[str, str]] = {"log": "select"}
"""What the role may do with the tables of the log's schema: it appends by functions alone."""

_SQL: Final = Path(__file__).parent / "sql"


async def find_missing_rights(
    connection: asyncpg.Connection, used: Mapping[str, str], owned: Sequence[str] = ()
) -> list[str]:
    """Write the statements that put the rights of the service's role right; none if they are.

    Args:
        connection: of any role; `APP_ROLE` must exist.
        used: schemas that the role uses, with what it may do with their tables, such as
            ``select, insert``. It may call their functions. Schemas that do not exist are left out.
        owned: schemas that belong to the role, with all tables in them.
    """
    rows = await connection.fetch(
        load(_SQL, "missing_rights"), APP_ROLE, list(used), list(used.values()), list(owned)
    )
    return [row["statement"] for row in rows]


async def repair_rights(
    connection: asyncpg.Connection, used: Mapping[str, str], owned: Sequence[str] = ()
) -> list[str]:
    """Put rights right as the login role; return the statements that it ran. See above.

    Raises:
        MigrationRefused: the login role may not; it names the statements for an administrator.
    """
    missing = await find_missing_rights(connection, used, owned)
    try:
        async with connection.transaction():
            for statement in missing:
                await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        raise await _refusal(connection, missing) from error
    # Without the right to grant, Postgres may warn and do nothing.
    if missing and (left := await find_missing_rights(connection, used, owned)):
        raise await _refusal(connection, left)
    return missing


async def _refusal(connection: asyncpg.Connection, missing: Sequence[str]) -> MigrationRefused:
    login = await connection.fetchval("select session_user")
    return MigrationRefused(
        f"role {login} may not give {APP_ROLE} the rights that it lacks here, as after a restore by"
        " another; let an administrator run this, then run `flowledger migrate` again:"
        f"\n\n{script(missing)}"
    )


def script(statements: Sequence[str]) -> str:
    """Write statements for an administrator to run.

    >>> print(script(["create role a", "grant a to b"]), end="")
    create role a;
    grant a to b;
    """
    return "".join(f"{statement};\n" for statement in statements)
