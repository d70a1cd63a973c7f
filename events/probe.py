"""Tells whether an append would succeed now, without appending anything."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from events import codec
from events.batch import Batch
from events.database import DRIVER_ERRORS, Connection, load
from events.envelope import AppendRequest, ExpectedVersion, NewEvent, StreamAppend
from events.types import EVERY_TENANT

TRIAL_BYTES: Final = 32 * 1024
"""Size of a trial append's event: the tables must grow for it."""

_SQL: Final = Path(__file__).parent / "sql"


async def probe(connection: Connection) -> None:
    """Take the lock that an append takes, and commit a small write.

    Raises the driver's errors, as an append would: see `events.database.translate_errors`.
    """
    await connection.execute(load(_SQL, "probe"))


async def clock_behind_s(connection: Connection) -> float:
    """Read by how many seconds the database's clock is behind the last event; 0.0 if it is not."""
    return float(await connection.fetchval(load(_SQL, "clock_behind")))


async def append_for_trial(connection: Connection) -> None:
    """Append an event, and roll it back.

    A full disk lets the small write of `probe` pass, since its page is there already. This one is
    larger than any free space, but leaves dead rows: it is for the time after an append failed.
    Raises the driver's errors.
    """
    # Random, since text that repeats itself would be compressed.
    body = codec.encode({"trial": os.urandom(TRIAL_BYTES).hex()})
    event = NewEvent(str(uuid4()), "Trial", body, "probe")
    stream = StreamAppend(f"trial:{event.event_id}", ExpectedVersion.NO_STREAM, (event,))
    columns = Batch([AppendRequest(EVERY_TENANT, (stream,))], []).columns()
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.fetch(load(_SQL, "append"), *columns)
    finally:
        with suppress(*DRIVER_ERRORS):
            await transaction.rollback()
