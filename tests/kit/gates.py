"""Blocks a statement inside the database, at its write to a table, until the test releases it.

A gate is a trigger that needs an advisory lock, which the test holds. `Gate.reached` waits until a
statement is blocked; then the test kills it, disconnects it or opens the gate.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.waiting import until

LOCK = 4711
FUNCTION = f"""
create or replace function public.wait_at_gate() returns trigger language plpgsql as
$$ begin perform pg_advisory_xact_lock({LOCK}); return new; end $$
"""
PATIENT = """
do $$
declare patient regprocedure;
begin
    for patient in
        select oid from pg_proc where pronamespace = 'log'::regnamespace and proname = 'append'
    loop
        execute format('alter function %s set lock_timeout = %L', patient, '1min');
    end loop;
end $$
"""
"""An append gives up a lock after 2 s, which a machine that stalls may take to look at it."""

WAITING = """
select exists (
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'advisory'
)
"""
DOING = """
select pid, state, wait_event_type, wait_event, left(query, 80) from pg_stat_activity
where datname = current_database()
"""


class Gate:
    """One gate, at one table, closed until it is opened."""

    def __init__(self, owner: asyncpg.Connection, table: str) -> None:
        self._owner = owner
        self._table = table

    async def reached(self, by: asyncio.Future | None = None) -> None:
        """Wait until somebody waits before it: ``by`` where it is given, which is not to end first.

        Raises:
            AssertionError: nobody came; tells what the connections of the database do instead.
        """

        async def waits() -> bool:
            assert by is None or not by.done(), f"it never came to the gate: {by}"
            return await self._owner.fetchval(WAITING)

        try:
            await until(waits)
        except TimeoutError as error:
            doing = [tuple(row) for row in await self._owner.fetch(DOING)]
            raise AssertionError(f"nobody came to the gate: {doing}") from error

    async def open(self) -> None:
        await self._owner.execute(f"select pg_advisory_unlock({LOCK})")


@asynccontextmanager
async def gate(owner: asyncpg.Connection, table: str, *, when: str = "true") -> AsyncIterator[Gate]:
    """Close a gate before the rows of a table that meet a condition on ``new``."""
    await owner.execute(f"select pg_advisory_lock({LOCK}); {FUNCTION}; {PATIENT}")
    await owner.execute(
        f"create trigger gate before insert or update on {table} for each row"
        f" when ({when}) execute function public.wait_at_gate()"
    )
    try:
        yield Gate(owner, table)
    finally:
        if not owner.is_closed():
            await owner.execute("select pg_advisory_unlock_all()")
            await owner.execute(f"drop trigger gate on {table}")
