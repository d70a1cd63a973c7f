"""Writes and parses the lines of an export: header, one line an event, trailer.

The format is described in docs/reference/export.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from events.batch import check_request
from events.codec import parse
from events.envelope import AppendRequest, NewEvent, StreamAppend
from events.errors import InvalidEvent
from events.leaf import leaf_1

FORMAT: Final = "flowledger-export"
VERSION: Final = 1

MAX_LINE: Final = 256 * 2**20
"""Bytes of a line; the largest body that settings allow fits, with every quote escaped."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_US: Final = timedelta(microseconds=1)
_MOMENTS: Final = range(-62_135_596_800_000_000 + 1, 253_402_300_799_999_999)
"""Microseconds of the years 1 to 9999, without the two that stand for infinity in Postgres."""

_BIGINTS: Final = range(2**63)
_INTEGERS: Final = ("position", "version", "schema_version", "recorded_us")
_TEXTS: Final = (
    "tenant",
    "stream",
    "event_id",
    "type",
    "body",
    "metadata",
    "actor",
    "correlation_id",
    "causation_id",
    "idempotency_key",
    "leaf_hash",
)
_FIELDS: Final = {*_INTEGERS, *_TEXTS, "occurred_us"}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_HEX: Final = re.compile(r"([0-9a-f]{2}){1,200}")


@dataclass(frozen=True, slots=True)
class Header:
    """The ledger, and which positions follow: those beyond ``after``, up to ``to``.

    ``ledger`` is the leaf hash at position 1, in hex; None while the log is empty.
    """

    ledger: str | None
    after: int
    to: int


@dataclass(frozen=True, slots=True)
class Trailer:
    """The contents of a file; ``sha256`` is over all lines before, newlines included."""

    first: int | None
    last: int | None
    events: int
    sha256: str


class Record(NamedTuple):
    """A stored event; the first of a request also has that request's idempotency key, if any.

    The columns and their order are those of `export.sql` and of the import's table.
    """

    position: int
    tenant: str
    stream: str
    version: int
    event_id: str
    type: str
    schema_version: int
    body: bytes
    metadata: bytes
    actor: str
    correlation_id: str
    causation_id: str
    idempotency_key: str
    occurred_at: datetime | None
    recorded_at: datetime
    leaf_hash: bytes
    request_key: str | None = None
    request_fingerprint: bytes | None = None
    request_last_position: int | None = None

    @property
    def recorded_us(self) -> int:
        """The time of recording, in microseconds since 1970."""
        return (self.recorded_at - EPOCH) // _US

    @property
    def occurred_us(self) -> int | None:
        """The reporter's time, in microseconds since 1970, or None."""
        return None if self.occurred_at is None else (self.occurred_at - EPOCH) // _US

    def leaf(self) -> bytes:
        """Compute the leaf hash that these values have."""
        numbers = (
            self.position,
            self.version,
            self.recorded_us,
            self.occurred_us,
            self.schema_version,
        )
        return leaf_1(numbers, (*self[1:3], *self[4:6], *self[9:13]), self.metadata, self.body)


def header_line(header: Header) -> bytes:
    r"""Write the first line.

    >>> header_line(Header(None, 0, 0))
    b'{"format":"flowledger-export","version":1,"ledger":null,"after":0,"to":0}\n'
    """
    return _line({"format": FORMAT, "version": VERSION, **asdict(header)})


def trailer_line(trailer: Trailer) -> bytes:
    """Write the last line."""
    return _line({"end": FORMAT, **asdict(trailer)})


def event_line(record: Record) -> bytes:
    """Write the line of an event; body and metadata are the stored bytes as text.

    Raises:
        InvalidEvent: the stored bytes are no text, or too long for a line.
    """
    try:
        body, metadata = record.body.decode(), record.metadata.decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"position {record.position} is not in UTF-8: {error}") from error
    fields = {
        "position": record.position,
        "tenant": record.tenant,
        "stream": record.stream,
        "version": record.version,
        "event_id": record.event_id,
        "type": record.type,
        "schema_version": record.schema_version,
        "body": body,
        "metadata": metadata,
        "actor": record.actor,
        "correlation_id": record.correlation_id,
        "causation_id": record.causation_id,
        "idempotency_key": record.idempotency_key,
        "occurred_us": record.occurred_us,
        "recorded_us": record.recorded_us,
        "leaf_hash": record.leaf_hash.hex(),
    }
    if record.request_fingerprint is not None:
        fields["request"] = {
            "key": record.request_key,
            "fingerprint": record.request_fingerprint.hex(),
            "last_position": record.request_last_position,
        }
    line = _line(fields)
    if len(line) > MAX_LINE:
        raise InvalidEvent(f"position {record.position} has a line of {len(line)} bytes")
    return line


def _line(fields: Mapping[str, Any]) -> bytes:
    return orjson.dumps(fields) + b"\n"


def parse_header(line: bytes) -> Header:
    """Read the first line.

    Raises:
        InvalidEvent: it is no export, or one of a version that this release does not know.
        MalformedJson: it is no JSON.
    """
    fields = _object(line)
    if fields.pop("format", None) != FORMAT:
        raise InvalidEvent(
            f"this is no export of a ledger: its first line has no format {FORMAT!r}"
        )
    if (version := fields.pop("version", None)) != VERSION:
        raise InvalidEvent(
            f"format version {version!r} is unknown, this release reads version {VERSION}"
        )
    _check_names(fields, {"ledger", "after", "to"})
    ledger, after, to = fields["ledger"], fields["after"], fields["to"]
    if ledger is not None and not _matches(_SHA256, ledger):
        raise InvalidEvent("ledger is no SHA-256 in lower-case hex")
    _check_integers({"after": after, "to": to}, _BIGINTS)
    if after > to or (ledger is None and to > 0):
        raise InvalidEvent(f"after {after} and to {to} are no range of ledger {ledger}")
    return Header(ledger, after, to)


def parse_line(line: bytes) -> Record | Trailer:
    """Read any line but the first.

    Raises:
        InvalidEvent: it breaks the format, or a bound of the log.
        MalformedJson: it is no JSON that the ledger can keep without loss.
    """
    fields = _object(line)
    if "end" not in fields:
        return _record(fields)
    # No checksum covers the trailer itself, so it must have its exact bytes.
    _check_names(fields, {"end", "first", "last", "events", "sha256"})
    trailer = Trailer(*(fields[name] for name in ("first", "last", "events", "sha256")))
    if trailer_line(trailer) != line + b"\n" or not _matches(_SHA256, trailer.sha256):
        raise InvalidEvent("the trailer does not have the exact form that an export writes")
    return trailer


def _object(line: bytes) -> dict[str, Any]:
    fields = parse(line, MAX_LINE)
    if not isinstance(fields, dict):
        raise InvalidEvent("the line is no JSON object")
    return fields


def _record(fields: Mapping[str, Any]) -> Record:
    _check_names(fields, _FIELDS, optional="request")
    for name in _TEXTS:
        if not isinstance(fields[name], str):
            raise InvalidEvent(f"{name} is no text")
    _check_integers({name: fields[name] for name in _INTEGERS[:3]}, _BIGINTS)
    times = {name: fields[name] for name in ("recorded_us", "occurred_us")}
    occurred_us = times["occurred_us"]
    if occurred_us is None:
        del times["occurred_us"]
    _check_integers(times, _MOMENTS)
    if not _matches(_SHA256, fields["leaf_hash"]):
        raise InvalidEvent("leaf_hash is no SHA-256 in lower-case hex")
    record = Record(
        fields["position"],
        fields["tenant"],
        fields["stream"],
        fields["version"],
        fields["event_id"],
        fields["type"],
        fields["schema_version"],
        fields["body"].encode(),
        fields["metadata"].encode(),
        fields["actor"],
        fields["correlation_id"],
        fields["causation_id"],
        fields["idempotency_key"],
        None if occurred_us is None else _moment(occurred_us),
        _moment(fields["recorded_us"]),
        bytes.fromhex(fields["leaf_hash"]),
        *_request(fields),
    )
    _check_bounds(record)
    return record


def _request(fields: Mapping[str, Any]) -> tuple[str, bytes, int] | tuple[()]:
    if "request" not in fields:
        return ()
    request = fields["request"]
    if not isinstance(request, dict):
        raise InvalidEvent("request is no JSON object")
    _check_names(request, {"key", "fingerprint", "last_position"})
    key, print_, last = request["key"], request["fingerprint"], request["last_position"]
    if not isinstance(key, str) or not key or not _matches(_HEX, print_):
        raise InvalidEvent("request has no key, or its fingerprint is not in lower-case hex")
    _check_integers({"last_position": last}, range(fields["position"], _BIGINTS.stop))
    return key, bytes.fromhex(print_), last


def _check_bounds(record: Record) -> None:
    """Check the bounds that `Log.append` enforces."""
    if record.version < 1:
        raise InvalidEvent("version must be at least 1")
    event = NewEvent(
        record.event_id,
        record.type,
        record.body,
        record.actor,
        record.schema_version,
        record.metadata,
        record.correlation_id,
        record.causation_id,
        record.idempotency_key,
        record.occurred_at,
    )
    part = StreamAppend(record.stream, record.version - 1, (event,))
    key, print_ = record.request_key or "", record.request_fingerprint or b""
    check_request(AppendRequest(record.tenant, (part,), key, print_))


def _check_names(fields: Mapping[str, Any], names: set[str], optional: str = "") -> None:
    if missing := sorted(names - fields.keys()):
        raise InvalidEvent(f"{', '.join(missing)} missing")
    if unknown := sorted(fields.keys() - names - {optional}):
        raise InvalidEvent(f"{', '.join(unknown)} unknown")


def _check_integers(values: Mapping[str, object], allowed: range) -> None:
    for name, value in values.items():
        if type(value) is not int:
            raise InvalidEvent(f"{name} is no integer of 64 bits")
        if value not in allowed:
            raise InvalidEvent(f"{name} {value} is out of range")


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _moment(us: int) -> datetime:
    return EPOCH + us * _US
