"""The errors of read models, under one root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from events.envelope import Position
from events.errors import LogError


class ProjectionError(Exception):
    """A read model could not do what was asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


@dataclass
class UnknownProjection(ProjectionError):
    """No read model of this name and version is set up here: run `flowledger migrate`."""

    names: Sequence[str]

    def __post_init__(self) -> None:
        super().__init__(f"not set up, run `flowledger migrate`: {', '.join(self.names)}")


@dataclass
class UnknownSchemaVersion(ProjectionError):
    """A version of a read model has a schema version that this release does not know."""

    name: str
    version: int
    schema_version: int

    def __post_init__(self) -> None:
        super().__init__(
            f"{self.name} version {self.version} has schema version {self.schema_version}, which"
            " this release does not know: run a newer one"
        )


@dataclass
class NoSuchReadModel(ProjectionError):
    """There is no read model of this name."""

    name: str
    names: Sequence[str]

    def __post_init__(self) -> None:
        super().__init__(f"no read model {self.name!r}; there are {', '.join(self.names)}")


@dataclass
class UnreadableReadModels(ProjectionError):
    """The service's role may not read the tables of a read model."""

    schemas: Sequence[str]

    def __post_init__(self) -> None:
        super().__init__(
            f"the service's role may not read {', '.join(self.schemas)}, as after a restore without"
            " owners: run `flowledger migrate`"
        )


@dataclass
class CheckpointBeyondLog(ProjectionError):
    """A read model has applied events that the log does not hold: rows of another history."""

    schemas: Sequence[str]

    def __post_init__(self) -> None:
        names = dict.fromkeys(schema.rpartition("_v")[0] for schema in self.schemas)
        cure = ", ".join(f"`flowledger projections rebuild {name}`" for name in names)
        super().__init__(
            f"{', '.join(self.schemas)} applied events beyond the end of the log: the log was"
            f" replaced by an older copy; stop all processes and run {cure}"
        )


class RebuildRefused(ProjectionError):
    """A read model cannot be rebuilt or switched to another version now."""


class NoRebuildInProgress(ProjectionError):
    """No rebuild of this read model is in progress."""


class RebuildFailed(ProjectionError):
    """A rebuild stopped before its end; the serving version is unchanged."""


@dataclass
class UnknownFlowVersion(ProjectionError):
    """A run names a flow version that its tenant's catalogue lacks."""

    tenant: str
    fullname: str
    version: int

    def __post_init__(self) -> None:
        super().__init__(
            f"tenant {self.tenant!r} has no version {self.version} of flow {self.fullname!r}"
        )


@dataclass
class ApplyEventError(ProjectionError):
    """A projection cannot apply an event; the cause says why."""

    projection: str
    first: Position
    last: Position

    def __post_init__(self) -> None:
        super().__init__(f"{self.projection} cannot apply positions {self.first} to {self.last}")

    @property
    def reason(self) -> str:
        """Why the event cannot be applied: the cause, by class where that is no error of ours."""
        cause = self.__cause__ or self
        ours = isinstance(cause, (ProjectionError, LogError))
        return str(cause) if ours else f"{type(cause).__name__}: {cause}"


@dataclass
class MissingFirstEvent(ProjectionError):
    """An event continues a run or a flow that has no first event."""

    kind: str
    tenant: str
    name: str

    def __post_init__(self) -> None:
        super().__init__(f"{self.kind} {self.name!r} of tenant {self.tenant!r} has no first event")


@dataclass
class VersionsNotComparable(ProjectionError):
    """Two versions of a read model cannot be compared row by row."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        super().__init__(f"two versions of {self.name} cannot be compared: {self.reason}")


@dataclass
class VerificationInProgress(ProjectionError):
    """Another process verifies or rebuilds this read model."""

    name: str

    def __post_init__(self) -> None:
        super().__init__(
            f"{self.name} is being verified or rebuilt already; try again when that has ended"
        )
