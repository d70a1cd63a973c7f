"""Converts a batch of requests to the arrays of `log.append`, and its result to outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

from events.bodies import Metadata
from events.codec import decode, decode_storable
from events.envelope import (
    AppendRequest,
    AppendResult,
    Event,
    ExpectedVersion,
    NewEvent,
    Position,
    StreamAppend,
    Version,
)
from events.errors import (
    IdempotencyMismatch,
    InvalidEvent,
    LogError,
    UnreadableEvent,
    VersionConflict,
)
from events.upcasters import upcast

MAX_TENANT: Final = 200
"""Most characters of a tenant's name."""

MAX_TEXT: Final = 400
"""Most characters of any text but a tenant's name; an index entry can hold so many."""

AppendOutcome = AppendResult | LogError
Columns = tuple[list[Any] | Position, ...]
"""The parameters of `log.append`, in their order."""

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TEXTS: Final = ("type", "actor", "correlation_id", "causation_id", "idempotency_key")
_BIGINT_MAX: Final = 2**63 - 1
_get_texts: Final = attrgetter(*_TEXTS)
_event_columns: Final = attrgetter(  # in the order of `log.new_event`, and of `Event`
    "type",
    "schema_version",
    "body",
    "metadata",
    "actor",
    "correlation_id",
    "causation_id",
    "idempotency_key",
    "occurred_at",
)


class DecodedEvent(NamedTuple):
    """What a reader makes of an event's bytes: upcast to ``schema_version``."""

    schema_version: int
    data: Any
    metadata: Metadata


def check_request(request: AppendRequest) -> list[DecodedEvent]:
    """Check the bounds of the log, and that all readers will be able to read the events.

    Returns:
        Its events as they will be read, in their order: they are needed once they are appended.

    Raises:
        InvalidEvent: it names the field.
    """
    _check_text("tenant", request.tenant, MAX_TENANT, required=True)
    if request.idempotency_key:
        _check_text("idempotency key", request.idempotency_key)
        if not request.fingerprint:
            raise InvalidEvent("an idempotency key needs a fingerprint")
    if len(request.streams) > 1 and _has_repeats([part.stream for part in request.streams]):
        raise InvalidEvent("a request names the same stream twice")
    for part in request.streams:
        _check_text("stream", part.stream, required=True)
        if not ExpectedVersion.EXISTS <= part.expected <= _BIGINT_MAX:
            raise InvalidEvent(f"expected version {part.expected} is out of range")
    return _check_events([event for part in request.streams for event in part.events])


def _check_events(events: Sequence[NewEvent]) -> list[DecodedEvent]:
    if not events:
        raise InvalidEvent("a request needs at least one event")
    for event in events:
        _check_event(event)
    if len(events) > 1 and _has_repeats([event.event_id for event in events]):
        raise InvalidEvent("a request has the same event id twice")
    return [_decode(event) for event in events]


def _has_repeats(names: Sequence[str]) -> bool:
    return len(set(names)) < len(names)


def _check_event(event: NewEvent) -> None:
    if not _UUID.fullmatch(event.event_id):
        raise InvalidEvent(f"event id {event.event_id!r} is no lower-case UUID")
    texts = _get_texts(event)
    if not event.type or not _is_short_ascii("".join(texts)):
        for name, text in zip(_TEXTS, texts, strict=True):
            _check_text(name.replace("_", " "), text, required=name == "type")
    if not 1 <= event.schema_version < 2**31:
        raise InvalidEvent(f"schema version {event.schema_version} is out of range")
    if event.occurred_at is not None:
        _check_moment(event.occurred_at)


def _decode(event: NewEvent) -> DecodedEvent:
    part = "body"
    try:
        data = decode_storable(event.body)
        part = "metadata"
        raw = event.metadata
        metadata = cast("Metadata", {} if raw == b"{}" else decode_storable(raw))
    except InvalidEvent as error:
        raise InvalidEvent(f"the {part} of {event.type} cannot be stored: {error}") from error
    try:
        return DecodedEvent(*upcast(event.type, event.schema_version, data), metadata)
    except Exception as error:
        raise InvalidEvent(
            f"the body of {event.type} is none of schema version {event.schema_version}: {error!r}"
        ) from error


def _check_moment(moment: datetime) -> None:
    if moment.utcoffset() is None:
        raise InvalidEvent("occurred_at has no time zone")
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidEvent("occurred_at is out of range in UTC") from error


def _is_short_ascii(text: str) -> bool:
    """Check one text, or several joined ones, the fast way."""
    return text.isascii() and "\x00" not in text and len(text) <= MAX_TEXT


def _check_text(name: str, text: str, limit: int = MAX_TEXT, *, required: bool = False) -> None:
    if len(text) > limit or (required and not text):
        raise InvalidEvent(f"{name} has {len(text)} characters, {int(required)} to {limit} allowed")
    if text.isascii() and "\x00" not in text:
        return
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidEvent(f"{name} has NUL or lone surrogates")


def split_at_repeats(requests: Sequence[AppendRequest]) -> Iterator[list[int]]:
    """Split a batch into groups of indexes without a repeated event id or idempotency key.

    Nearly always one group. Only the first request's commit decides the outcome of its repeat.
    """
    ids = [event.event_id for each in requests for part in each.streams for event in part.events]
    keys = [(each.tenant, each.idempotency_key) for each in requests if each.idempotency_key]
    if len({*ids, *keys}) == len(ids) + len(keys):
        yield list(range(len(requests)))
        return
    group: list[int] = []
    seen: set[object] = set()
    for index, request in enumerate(requests):
        names: set[object] = {event.event_id for part in request.streams for event in part.events}
        if request.idempotency_key:
            names.add((request.tenant, request.idempotency_key))
        if not seen.isdisjoint(names):
            yield group
            group, seen = [], set()
        group.append(index)
        seen |= names
    if group:
        yield group


@dataclass(slots=True)
class Batch:
    """The arrays of `log.append` for some requests; numbers in them count from 1.

    ``decoded`` is what `check_request` returned for each request.
    """

    requests: Sequence[AppendRequest]
    decoded: Sequence[Sequence[DecodedEvent]]
    parts: list[StreamAppend] = field(default_factory=list)
    part_request: list[int] = field(default_factory=list)
    part_stream: list[int] = field(default_factory=list)
    event_part: list[int] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    streams: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, request in enumerate(self.requests, 1):
            for part in request.streams:
                self._add(number, request.tenant, part)

    def _add(self, request: int, tenant: str, part: StreamAppend) -> None:
        streams = self.streams
        self.parts.append(part)
        self.part_request.append(request)
        self.part_stream.append(streams.setdefault((tenant, part.stream), len(streams) + 1))
        self.event_part.extend([len(self.parts)] * len(part.events))
        self.events.extend(part.events)

    def columns(self, known_position: Position = Position(0)) -> Columns:  # noqa: B008 - a number
        """The parameters of `log.append`; the log must have reached ``known_position``."""
        keys = [
            (number, request.tenant, request.idempotency_key, request.fingerprint)
            for number, request in enumerate(self.requests, 1)
            if request.idempotency_key
        ]
        return (
            keys,
            [*self.streams],
            self.part_request,
            self.part_stream,
            [int(part.expected) for part in self.parts],
            self.event_part,
            [event.event_id for event in self.events],
            [*map(_event_columns, self.events)],
            known_position,
        )

    def outcomes(self, row: Mapping[str, Any]) -> list[AppendOutcome]:
        """Convert the result of `log.append` to one outcome for each request, in order."""
        leaves = iter(row["leaf_hashes"] or ())
        parts = iter(zip(self.parts, row["part_version"], strict=True))
        rows = zip(
            self.requests, row["outcome"], row["first_position"], row["last_position"], strict=True
        )
        recorded_at: datetime = row["recorded_at"]
        outcomes: list[AppendOutcome] = []
        for number, (request, outcome, first, last) in enumerate(rows):
            request_parts = list(islice(parts, len(request.streams)))
            match outcome:
                case "appended":
                    decoded = iter(self.decoded[number])
                    events = _recorded_events(
                        request.tenant, request_parts, first, recorded_at, leaves, decoded
                    )
                    outcomes.append(AppendResult(first, last, recorded_at, events=tuple(events)))
                case "duplicate":
                    written_at = row["duplicate_at"][number]
                    outcomes.append(AppendResult(first, last, written_at, duplicate=True))
                case _:
                    outcomes.append(self._refusal(outcome, request, number, row))
        return outcomes

    def _refusal(
        self, outcome: str, request: AppendRequest, number: int, row: Mapping[str, Any]
    ) -> LogError:
        if outcome == "mismatch":
            return IdempotencyMismatch(request.tenant, request.idempotency_key)
        if outcome == "known":
            event_id = self.events[row["refused_event"][number] - 1].event_id
            return InvalidEvent(f"event id {event_id} is already used by a different event")
        part = self.parts[row["conflict_part"][number] - 1]
        actual = Version(row["conflict_version"][number])
        return VersionConflict(request.tenant, part.stream, int(part.expected), actual)


def _recorded_events(
    tenant: str,
    parts: Sequence[tuple[StreamAppend, int]],
    position: int,
    recorded_at: datetime,
    leaves: Iterator[bytes],
    decoded: Iterator[DecodedEvent],
) -> Iterator[Event]:
    for part, version in parts:
        for offset, event in enumerate(part.events):
            yield Event(
                Position(position),
                tenant,
                part.stream,
                Version(version + offset),
                event.event_id,
                event.type,
                *next(decoded),
                event.actor,
                event.correlation_id,
                event.causation_id,
                event.idempotency_key,
                event.occurred_at,
                recorded_at,
                next(leaves),
            )
            position += 1


def event_from_row(row: Sequence[Any]) -> Event:
    """Decode and upcast a row whose columns are in the order of `Event`'s fields.

    Raises:
        UnreadableEvent: its bytes are none that an append would have taken.
    """
    (
        position,
        tenant,
        stream,
        version,
        event_id,
        type_,
        schema_version,
        body,
        metadata,
        actor,
        correlation_id,
        causation_id,
        key,
        occurred_at,
        recorded_at,
        leaf_hash,
    ) = row
    try:
        upcast_version, data = upcast(type_, schema_version, decode(body))
        decoded_metadata = _metadata(metadata)
    except Exception as error:
        raise UnreadableEvent(position) from error
    return Event(
        position,
        tenant,
        stream,
        version,
        event_id,
        type_,
        upcast_version,
        data,
        decoded_metadata,
        actor,
        correlation_id,
        causation_id,
        key,
        occurred_at,
        recorded_at,
        leaf_hash,
    )


def _metadata(raw: bytes) -> Metadata:
    metadata: Metadata = {} if raw == b"{}" else decode(raw)
    return metadata
