"""Compares acknowledged appends with what the log stores."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from events.database import close_quietly, connect

HEAD = """
select h.position = count(e.position) and h.position = coalesce(max(e.position), 0) as dense,
    count(e.position) as events, count(*) - count(distinct e.event_id) as repeated
from log.head h left join log.events e on true
group by h.position
"""
DISORDERED = """
select count(*)
from (
    select version, recorded_at,
        row_number() over (partition by tenant, stream order by position) as place,
        lag(recorded_at) over (order by position) as earlier
    from log.events
) e
where version <> place or recorded_at < earlier
"""
REQUESTS = """
create temp table request as
select correlation_id, count(*) as events, min(position) as first_position,
    max(position) as last_position,
    min((convert_from(metadata, 'UTF8')::jsonb ->> 'of')::integer) as wanted
from log.events
where correlation_id <> ''
group by correlation_id
"""
TORN = """
select count(*) from request
where events < wanted or last_position - first_position + 1 <> events
"""
DOUBLED = "select count(*) from request where events > wanted"
MISSING = """
select count(*)
from acknowledged a
left join request r on r.correlation_id = a.name
where (r.first_position, r.last_position) is distinct from (a.first_position, a.last_position)
"""


@dataclass(frozen=True)
class Accounts:
    """How a log stands in the end; all but the first two are faults."""

    events: int
    acknowledged: int
    lost: int
    """Requests that were answered and do not stand where the answer said."""
    torn: int
    """Requests of which a part is there."""
    doubled: int
    """Requests that are there more than once, and event ids too."""
    disordered: int
    """Events out of the order of their stream, or recorded before the one before them."""
    sparse: int
    """1 where head, count and last position differ."""


async def examine(url: str, notes: Iterable[Path]) -> Accounts:
    connection = await connect(url, role=None)
    try:
        await connection.execute("set enable_seqscan = on; set work_mem = '256MB'")
        head = await connection.fetchrow(HEAD)
        await connection.execute(REQUESTS)
        await connection.execute(
            "create temp table acknowledged"
            " (name text, first_position bigint, last_position bigint)"
        )
        acknowledged = 0
        for file in notes:
            rows = [_row(line) for line in file.read_text().splitlines()]
            acknowledged += len(rows)
            await connection.copy_records_to_table("acknowledged", records=rows)
        return Accounts(
            events=head["events"],
            acknowledged=acknowledged,
            lost=await connection.fetchval(MISSING),
            torn=await connection.fetchval(TORN),
            doubled=head["repeated"] + await connection.fetchval(DOUBLED),
            disordered=await connection.fetchval(DISORDERED),
            sparse=int(not head["dense"]),
        )
    finally:
        await close_quietly(connection)


def _row(line: str) -> tuple[str, int, int]:
    name, first, last = line.split()
    return name, int(first), int(last)
