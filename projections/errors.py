"""What can go wrong with read models: one root, data as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from events.envelope import Position


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
class UnknownShape(ProjectionError):
    """A version of a read model has a shape that this release does not know."""

    name: str
    version: int
    shape: int

    def __post_init__(self) -> None:
        super().__init__(
            f"{self.name} version {self.version} has shape {self.shape}, which this release does"
            " not know: run a newer one"
        )


@dataclass
class NoSuchReadModel(ProjectionError):
    """There is no read model of this name."""

    name: str
    names: Sequence[str]

    def __post_init__(self) -> None:
        super().__init__(f"no read model {self.name!r}; there are {', '.join(self.names)}")


class RebuildRefused(ProjectionError):
    """A read model cannot be rebuilt, or changed over, as things stand."""


class NoRebuild(ProjectionError):
    """There is no rebuild of this read model."""


class RebuildFailed(ProjectionError):
    """A rebuild stopped before its end; the version that answers is as it was."""


@dataclass
class UnknownFlowVersion(ProjectionError):
    """A run names a version of a flow that its tenant's catalogue does not hold."""

    tenant: str
    fullname: str
    version: int

    def __post_init__(self) -> None:
        super().__init__(f"no version {self.version} of flow {self.fullname!r} in {self.tenant!r}")


@dataclass
class Unappliable(ProjectionError):
    """A projection cannot apply an event; the cause says why."""

    projection: str
    first: Position
    last: Position

    def __post_init__(self) -> None:
        super().__init__(f"{self.projection} cannot apply positions {self.first} to {self.last}")


@dataclass
class NothingBefore(ProjectionError):
    """An event goes on with a run or a flow that never began."""

    kind: str
    tenant: str
    name: str

    def __post_init__(self) -> None:
        super().__init__(f"no event began the {self.kind} {self.name!r} of {self.tenant!r}")


@dataclass
class Incomparable(ProjectionError):
    """Two versions of a read model cannot be compared row by row."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        super().__init__(f"two versions of {self.name} cannot be compared: {self.reason}")


@dataclass
class BeingChecked(ProjectionError):
    """Somebody else is checking this read model."""

    name: str

    def __post_init__(self) -> None:
        super().__init__(f"{self.name} is being verified already: one at a time")
