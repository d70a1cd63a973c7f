"""The envelope of an event: what every event carries, before and after it is in the log.

Named tuples, since a frozen dataclass takes four times as long to make, once for each event.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple, NewType

from events.bodies import Metadata

Position = NewType("Position", int)
"""An event's place in the whole log: 1, 2, 3 ... in commit order, no gaps; 0: before the first."""

Version = NewType("Version", int)
"""An event's place in its stream, from 1; 0 is a stream without events."""

Data = dict[str, Any]
"""A JSON object, decoded."""


class ExpectedVersion(IntEnum):
    """What a request may expect of a stream besides an exact version (that is the plain number)."""

    NO_STREAM = 0
    ANY = -1
    EXISTS = -2


class NewEvent(NamedTuple):
    """An event that waits to be appended.

    ``body`` and ``metadata`` are the bytes of a JSON object as `events.codec.encode` makes them:
    they are stored and hashed as they are. ``event_id`` is a lower-case UUID, ``occurred_at`` the
    reporter's clock, aware, or None. Empty text means absent for correlation, causation and key.
    """

    event_id: str
    type: str
    body: bytes
    actor: str
    schema_version: int = 1
    metadata: bytes = b"{}"
    correlation_id: str = ""
    causation_id: str = ""
    idempotency_key: str = ""
    occurred_at: datetime | None = None


class Event(NamedTuple):
    """An event as the log holds it, lifted to the newest schema version of its type.

    ``data`` is the body: name its type as you take it, ``body: TaskFailed = event.data``. It is
    `Any`, since a cast would cost each fold of each event a call. ``data`` and ``metadata`` are
    decoded once and shared by all readers: treat them as read-only. ``recorded_at`` is the
    database's clock and never goes back along position.
    """

    position: Position
    tenant: str
    stream: str
    version: Version
    event_id: str
    type: str
    schema_version: int
    data: Any
    metadata: Metadata
    actor: str
    correlation_id: str
    causation_id: str
    idempotency_key: str
    occurred_at: datetime | None
    recorded_at: datetime
    leaf_hash: bytes


class StreamAppend(NamedTuple):
    """Events for one stream, with what is expected of it.

    ``expected`` is the exact version (0: no stream) or a member of `ExpectedVersion`. Without
    events it is a condition on a stream that is only read.
    """

    stream: str
    expected: int
    events: tuple[NewEvent, ...] = ()


class AppendRequest(NamedTuple):
    """One all-or-nothing append for one tenant: streams written, conditions on streams only read.

    ``idempotency_key`` (scope: the tenant) with ``fingerprint`` makes a repeat answer with the
    original positions; empty means that only the event ids protect a repeat.
    """

    tenant: str
    streams: tuple[StreamAppend, ...]
    idempotency_key: str = ""
    fingerprint: bytes = b""


class AppendResult(NamedTuple):
    """The log's answer to a request: where its events stand.

    Events of one request have consecutive positions from ``first_position``, in the order of its
    streams and events. ``duplicate`` is true when an earlier, equal request wrote them.
    ``events`` are the events as recorded; empty for a duplicate: read the stream.
    """

    first_position: Position
    last_position: Position
    recorded_at: datetime
    duplicate: bool = False
    events: tuple[Event, ...] = ()
