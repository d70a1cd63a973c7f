"""What front doors read: the same of the present and of any moment of the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from events.envelope import Event, Position
from projections.answers import Document, Page, Rows
from projections.flow import Flow


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; None does not filter. The window of creation is half-open."""

    fullname: str | None = None
    status: str | None = None
    started_by: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Reads(Protocol):
    """Documents as `projections.facts` describes them; each look-up carries its tenant."""

    @property
    def now_us(self) -> int:
        """The time for all that grows with the clock: microseconds since 1970."""
        ...

    async def execution(self, tenant: str, run_id: str) -> Document:
        """Read a run's facts. Raises `UnknownRun`."""
        ...

    async def workflow(self, tenant: str, run_id: str) -> Document:
        """Read a run's facts with its tasks. Raises `UnknownRun`."""
        ...

    async def execution_by_number(self, tenant: str, run_number: int) -> Document:
        """Read a run's facts by its number. Raises `UnknownRun`."""
        ...

    async def load_plan(self, tenant: str, run_number: int) -> Document:
        """Read a run's tree by its number. Raises `UnknownRun`."""
        ...

    async def latest_execution(self, tenant: str, flow_number: int) -> Document:
        """Read the facts of the run of a flow that was queued last. Raises `UnknownRun`."""
        ...

    async def page(self, tenant: str, fullname: str | None, offset: int, limit: int) -> Page:
        """Read a page of a tenant's runs (or of one flow's), newest first, and their number."""
        ...

    async def scan(self, tenant: str, wanted: RunFilter, *, before: int | None, limit: int) -> Rows:
        """Read a tenant's runs by filter, newest first, queued before a position."""
        ...

    async def history(self, tenant: str, run_id: str, *, after: int, limit: int) -> Sequence[Event]:
        """Read a run's events in order, from behind a version on. Raises `UnknownRun`."""
        ...

    async def events(
        self, tenant: str, after: Position, limit: int
    ) -> tuple[Sequence[Event], Position]:
        """Read a tenant's events (``*``: everybody's), and the position to go on from."""
        ...

    async def flows(self, tenant: str) -> Rows:
        """Read a tenant's flows by name, retired ones too."""
        ...

    async def flow(self, tenant: str, vendor: str, name: str, value: object) -> Flow | None:
        """Find the newest version of the flow that has or had a vendor's id; a retired one too."""
        ...


class Shelf(Protocol):
    """A tenant's catalogue as it stood at a position."""

    def by_id(self, vendor: str, name: str, value: object) -> Flow | None:
        """Find the newest version of the flow that has or had a vendor's id."""
        ...


class Catalogue(Protocol):
    """Where vendors' ids of flows lead."""

    async def seek(self, tenant: str, vendor: str, name: str, value: Any, /) -> Flow | None:  # noqa: ANN401 - any JSON value
        """Find a flow by a vendor's id, as the catalogue stands now."""
        ...

    async def at(self, tenant: str, position: Position, /) -> Shelf:
        """Read a tenant's catalogue as it stood at a position."""
        ...
