"""What front doors read: the same of the present and of any moment of the past."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from events.envelope import Event, Position, Version
from projections.documents.flow import Flow, Registered
from projections.results import Document, Page, Rows


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; None does not filter. The window of creation is half-open."""

    fullname: str | None = None
    status: str | None = None
    started_by: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Shelf(Protocol):
    """A tenant's catalogue as it stood at a position; to be read only."""

    @property
    def version(self) -> Version:
        """The version of the catalogue's stream."""
        ...

    @property
    def position(self) -> Position:
        """The position of the last event in it."""
        ...

    @property
    def flows(self) -> Mapping[str, Flow]:
        """The latest version of every flow, retired ones too, by fullname."""
        ...

    @property
    def versions(self) -> Mapping[str, Sequence[Registered]]:
        """Every version of every flow, in their order, by fullname."""
        ...

    @property
    def touched_us(self) -> Mapping[str, int]:
        """When each flow was last registered or retired, by fullname."""
        ...

    @property
    def retired(self) -> Collection[str]:
        """The fullnames of the flows that cannot be started."""
        ...

    @property
    def current(self) -> Sequence[Flow]:
        """The flows that are not retired, by fullname."""
        ...

    def by_id(self, vendor: str, name: str, value: object) -> Flow | None:
        """Find the newest version of the flow that has or had a vendor's id."""
        ...


Choose = Callable[[Shelf], Sequence[str]]
"""Names the flows of a catalogue that are of interest, by fullname."""


class Newest(NamedTuple):
    """A catalogue, and of some of its flows the newest run that is listed, all at one position.

    ``runs`` has rows of `listings` by the flow's fullname; a flow without a run has none.
    """

    shelf: Shelf
    runs: Mapping[str, Document]
    position: Position


Weigh = Callable[[Flow], int]
"""Says how many rows of a list a run of a flow's version takes; 0: it is not in it."""


class RowPage(NamedTuple):
    """A page of a flow's list in which a run takes several rows, or none.

    ``runs`` are the rows of `listings` that have a part in it, newest first: ``skipped`` rows of
    the first stand before the page, and rows of the last may stand behind it. ``total`` is the
    number of rows in the whole list. ``flows`` are the versions that the runs name.
    """

    runs: Sequence[Document]
    skipped: int
    total: int
    position: Position
    flows: Mapping[int, Flow]


class Reads(Protocol):
    """Documents as `projections.documents.run` describes them; each look-up carries its tenant."""

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

    async def flow_version(self, tenant: str, fullname: str, version: int) -> Flow:
        """Read a version of a flow that a run names."""
        ...

    async def shelf(self, tenant: str) -> Shelf:
        """Give a tenant's catalogue, to be looked at before anything else is awaited."""
        ...

    async def newest(self, tenant: str, choose: Choose) -> Newest:
        """Read a tenant's catalogue, and the newest listed run of each flow chosen from it."""
        ...

    async def row_page(
        self, tenant: str, fullname: str, weigh: Weigh, *, offset: int, limit: int
    ) -> RowPage:
        """Read a page of a registered flow's list by rows, of which a run may take several."""
        ...


class Catalogue(Protocol):
    """Where vendors' ids of flows lead."""

    async def seek(self, tenant: str, vendor: str, name: str, value: Any, /) -> Flow | None:  # noqa: ANN401 - any JSON value
        """Find a flow by a vendor's id, as the catalogue stands now."""
        ...

    async def refresh(self, tenant: str, /) -> None:
        """Read on in the log where memory ends."""
        ...

    def shelf(self, tenant: str, /) -> Shelf:
        """Give a tenant's catalogue as far as it is in memory; it goes on changing."""
        ...

    async def at(self, tenant: str, position: Position, /) -> Shelf:
        """Read a tenant's catalogue as it stood at a position."""
        ...
