"""Events and append requests, before and after they are in the log.

Named tuples, since a frozen dataclass takes four times as long to create, for each event.
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
    """Expectations other than an exact version, which is the plain number."""

    NO_STREAM = 0
    ANY = -1
    EXISTS = -2


class NewEvent(NamedTuple):
    """An event to append.

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
    """A stored event, upcast to the newest schema version of its type.

    ``data`` is the body: name its type where you read it, ``body: TaskFailed = event.data``. It is
    `Any`, since a cast would cost a call for each event of each fold. ``data`` and ``metadata`` are
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
    """Events for one stream, with its expected version.

    ``expected`` is the exact version (0: no stream) or a member of `ExpectedVersion`. Without
    events it is a condition on a stream that is only read.
    """

    stream: str
    expected: int
    events: tuple[NewEvent, ...] = ()


class AppendRequest(NamedTuple):
    """One all-or-nothing append for one tenant, to one or more streams.

    ``idempotency_key`` (scope: the tenant) with ``fingerprint`` makes a repeat answer with the
    original positions; empty means that only the event ids protect a repeat.
    """

    tenant: str
    streams: tuple[StreamAppend, ...]
    idempotency_key: str = ""
    fingerprint: bytes = b""


class AppendResult(NamedTuple):
    """A successful append: the positions and events of one request.

    Events of one request have consecutive positions from ``first_position``, in the order of its
    streams and events. ``duplicate`` is true when an earlier, equal request wrote them.
    ``events`` are the events as recorded; empty for a duplicate: read the stream.
    """

    first_position: Position
    last_position: Position
    recorded_at: datetime
    duplicate: bool = False
    events: tuple[Event, ...] = ()
