"""Exports and imports for tests, and logs that use every column of an event."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from events.codec import encode
from events.database import Pool
from events.envelope import AppendRequest, NewEvent, StreamAppend
from events.export.compression import Compression
from events.export.format import Trailer
from events.export.importer import ImportResult, import_log
from events.export.writer import open_target, start_export
from events.store import Log
from service.runs.write.number_sequence import ImportedNumbers

TABLES = ("head", "events", "streams", "event_ids", "idempotency")


async def export(
    pool: Pool,
    file: Path,
    *,
    after: int | None = None,
    to: int | None = None,
    compression: Compression | None = None,
    overwrite: bool = False,
) -> Trailer:
    with open_target(str(file), compression, overwrite=overwrite) as target:
        running = await start_export(pool, target, after=after, to=to)
        return await running.run(lambda _: None)


async def bring(url: str, *files: Path) -> ImportResult:
    numbers = ImportedNumbers()
    return await import_log(
        url,
        [str(file) for file in files],
        lambda _: None,
        on_records=numbers.see,
        before_commit=numbers.advance,
    )


async def tables(connection) -> dict[str, list[tuple]]:
    """All rows of the log's tables."""
    return {
        table: sorted(map(tuple, await connection.fetch(f"select * from log.{table}")), key=repr)
        for table in TABLES
    }


def event(random: Random, number: int) -> NewEvent:
    text = random.choice(
        ["", "x" * 300, 'quotes " and \\ and \n', "\u00e9\u4e2d\U0001f600\u2028\x7f"]
    )
    return NewEvent(
        str(uuid.UUID(int=random.getrandbits(128))),
        random.choice(["RunStarted", "Ereignis\u00e9"]),
        encode({"number": number, "text": text, "float": 1.5, "none": None}),
        random.choice(["ops", "Zo\u00eb"]),
        schema_version=random.choice([1, 2**31 - 1]) if number % 5 == 0 else 1,
        metadata=random.choice([b"{}", encode({"source": 'a "test"'})]),
        correlation_id=random.choice(["", "c" * 400]),
        causation_id=random.choice(["", " "]),
        idempotency_key=random.choice(["", "\u2028"]),
        occurred_at=random.choice(
            [None, datetime(1815, 12, 10, 1, 2, 3, 456789, tzinfo=UTC), datetime.now(UTC)]
        ),
    )


def requests(random: Random, count: int, first: int = 0) -> list[AppendRequest]:
    """Requests of one to three streams, some with a key, of two tenants."""
    made = []
    for number in range(first, first + count):
        names = random.sample(
            ["a", "s\u00fcd", "run:1", "run:2", f"run:{number}"], random.randint(1, 3)
        )
        parts = tuple(
            StreamAppend(
                name, -1, tuple(event(random, number) for _ in range(random.randint(1, 3)))
            )
            for name in names
        )
        key = f"key {number}" if random.random() < 0.5 else ""
        print_ = random.randbytes(32) if key else b""
        made.append(AppendRequest(random.choice(["north", "s\u00fcd"]), parts, key, print_))
    return made


async def fill(log: Log, count: int = 40, seed: int = 7) -> list[AppendRequest]:
    made = requests(Random(seed), count)
    for first in range(0, count, 7):
        await log.append(made[first : first + 7])
    return made
