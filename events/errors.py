"""The errors of the log. A docstring is the default message; data are attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from events.envelope import Position, Version


class LogError(Exception):
    """The log could not do what was asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class LogUnavailable(LogError):
    """The database of the log does not answer; nothing is known to be lost, try again."""


class NotMigrated(LogUnavailable):
    """The database was not brought to this release: run `flowledger migrate`."""


class SessionRefused(LogUnavailable):
    """A session of the database is not what the service assumes; the message has the cure."""


class InvalidConnectionUrl(LogError):
    """The URL of the database cannot work; the message, without its secrets, says why."""


class LedgerReplaced(LogUnavailable):
    """The database was replaced by an older copy: it lacks events that this process has seen."""


class LogBusy(LogError):
    """Too many appends wait already; try again later."""


class AppendTimeout(LogError):
    """The append did not get its turn at the log in time; nothing was written."""


class SequenceExhausted(LogError):
    """A sequence of the database has no number left."""


class MigrationRefused(LogError):
    """The database cannot be brought to this release's schema; the message says what to do."""


class InvalidEvent(LogError):
    """An event breaks a bound of the log; nothing was written."""


class MalformedJson(LogError):
    """The text is no JSON that the ledger can keep without loss."""


@dataclass
class VersionConflict(LogError):
    """A stream does not stand at the expected version."""

    tenant: str
    stream: str
    expected: int
    actual: Version

    def __post_init__(self) -> None:
        super().__init__(
            f"stream {self.stream!r} is at version {self.actual}, expected {self.expected}"
        )


@dataclass
class IdempotencyMismatch(LogError):
    """An idempotency key was used before, for a different request."""

    tenant: str
    key: str

    def __post_init__(self) -> None:
        super().__init__(f"idempotency key {self.key!r} was used for a different request")


@dataclass
class MissingPositions(LogError):
    """Positions are missing in what the log returned: an alarm, never a wait."""

    expected: Position
    found: Position

    def __post_init__(self) -> None:
        super().__init__(f"expected position {self.expected}, the log returned {self.found}")


@dataclass
class UnreadableEvent(LogError):
    """A stored event cannot be decoded: an alarm, since whoever follows the log stops before it."""

    position: Position

    def __post_init__(self) -> None:
        super().__init__(
            f"the event at position {self.position} cannot be decoded; readers stop before it:"
            " check the log with `flowledger doctor`, and report what wrote it"
        )


@dataclass
class UnknownEventTypes(LogError):
    """A newer release wrote event types that this one does not know."""

    types: Sequence[str]

    def __post_init__(self) -> None:
        super().__init__(f"unknown event types: {', '.join(self.types)}")


class ExportRefused(LogError):
    """The log cannot be exported like that; the message says what to do."""


class ImportRefused(LogError):
    """The files cannot be imported into this ledger; the message says what to do."""


@dataclass
class BadExport(LogError):
    """A line of an exported file is not as an export writes it, or does not fit those before it."""

    file: str
    line: int
    reason: str

    def __post_init__(self) -> None:
        super().__init__(f"{self.file}:{self.line}: {self.reason}")
