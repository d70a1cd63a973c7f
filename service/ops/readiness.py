"""Readiness: whether this process can do its work now, from evidence that is a moment old."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from events.database import Connection, Database, translate_errors
from events.errors import LogError
from events.probe import append_for_trial, clock_behind_s, probe
from events.store import AppendHealth
from projections import registry
from service.hold import Hold
from service.ops.supervisor import Supervisor

PROBE_S: Final = 1.0
"""Seconds between two probes."""

PROBE_TIMEOUT_S: Final = 1.5
"""Seconds that a probe may take; then its connection is cut."""

MAX_CLOCK_BEHIND_S: Final = 1.0
"""Seconds by which the database's clock may be behind the last event without a warning."""

CLOCK_WARNING_S: Final = 60.0
"""Seconds between two lines of the log about a clock that is behind."""

MAX_AGE_S: Final = 3.0
"""Age in seconds from which the last success of a probe proves nothing."""

_log = logging.getLogger("flowledger.readiness")


class Reason(NamedTuple):
    """Why a process is not ready: a permanent code for everybody, and a text for operators."""

    code: str
    text: str


class Readiness:
    """Tells whether a process can do its work; a request for it costs no query and never waits.

    Ready means that this process can append, that its background tasks run, that every served read
    model is within its lag bound, that its worker's heartbeat is fresh, that the database is still
    the one it began with, and that it is not about to stop. A paused read model makes nothing
    unready: all others are served, and no other process would apply the event either. It is a
    warning.

    `run` probes once a second on a connection of its own. The probe takes the lock of an append and
    commits a write. After an append of this process failed for want of the database, a probe must
    also append an event for trial, rolled back: a full disk lets the small write pass.
    """

    def __init__(
        self,
        database: Database,
        appends: AppendHealth,
        supervisor: Supervisor,
        *,
        max_lag_s: float,
        hold: Hold,
        is_isolated: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database = database
        self._appends = appends
        self._supervisor = supervisor
        self._max_lag_s = max_lag_s
        self._is_isolated = is_isolated
        self._hold = hold
        self._connection: Connection | None = None
        self._probed_at = -math.inf
        self._warned_at = -math.inf
        self._error = "the first probe has not ended"
        self._unreadable: Sequence[str] = ()
        self.draining = False
        """Whether the process is about to stop, and takes no new work for granted."""
        self.clock_behind_s = 0.0
        """By how much the database's clock is behind the last event, as last read."""
        self.projections: Sequence[Mapping[str, Any]] = ()
        """The status of each version of each read model, as last read."""

    async def run(self) -> None:
        """Probe for ever; to be supervised."""
        try:
            while True:
                await asyncio.sleep(PROBE_S)
                await self.probe()
        finally:
            self._drop_connection()

    def reasons(self) -> list[Reason]:
        """Say why the process is not ready; empty if it is."""
        return list(self._reasons())

    def warnings(self) -> list[Reason]:
        """Say what needs an operator though the process is ready."""
        paused = [row for row in self.projections if row["serving"] and row["state"] == "paused"]
        warnings = [
            Reason("read-model-paused", f"{_schema(row)} is paused: {row['error']}")
            for row in paused
        ]
        if self.clock_behind_s > MAX_CLOCK_BEHIND_S:
            text = f"the database clock is behind the log by {self.clock_behind_s:.0f} s"
            warnings.append(Reason("clock-behind", text))
        if held := self._hold.held:
            text = f"on hold since {held.recorded_at} by {held.actor}: {held.reason}"
            warnings.append(Reason("ledger-on-hold", text))
        return warnings

    def _reasons(self) -> Iterator[Reason]:
        if self.draining:
            yield Reason("draining", "the process is about to stop")
        if replaced := self._database.timeline.reason:
            yield Reason("database-replaced", replaced)
        age_s = asyncio.get_running_loop().time() - self._probed_at
        if self._appends.failing or age_s > MAX_AGE_S:
            yield Reason("cannot-append", self._error)
        for task in self._supervisor.tasks:
            if task.state != "running":
                text = f"background task {task.name} is {task.state}: {task.last_error}"
                yield Reason("background-task", text)
        if self._is_isolated():
            yield Reason("worker-isolated", "this worker has written no heartbeat for too long")
        yield from self._late_read_models()

    def _late_read_models(self) -> Iterator[Reason]:
        if self._unreadable:
            text = f"the service's role may not read {', '.join(self._unreadable)}"
            yield Reason("read-model-unreadable", f"{text}: run `flowledger migrate`")
        for row in self.projections:
            if not row["serving"]:
                continue
            if row["position"] > row["head"]:
                text = f"{_schema(row)} is beyond the end of the log: rebuild {row['name']}"
                yield Reason("read-model-beyond-log", text)
            elif row["state"] == "running" and row["lag_s"] > self._max_lag_s:
                text = f"{_schema(row)} is {row['lag_s']:.0f} s behind the log"
                yield Reason("read-model-behind", text)

    async def probe(self) -> None:
        """Probe once, within `PROBE_TIMEOUT_S`, and remember what came of it."""
        try:
            with translate_errors():
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    await self._probe()
        except LogError as error:
            if self._error != str(error):
                _log.warning("this process cannot append: %s", error)
            self._error = str(error)
            self._drop_connection()

    async def _probe(self) -> None:
        now = asyncio.get_running_loop().time
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect()
        began, failures = now(), self._appends.failures
        if self._appends.failing:
            await append_for_trial(self._connection)
        if self._appends.failing or began - self._appends.succeeded_at > PROBE_S:
            await probe(self._connection)
        self.projections = await registry.status(self._connection)
        self._unreadable = await registry.find_unreadable(self._connection)
        self._note_clock(await clock_behind_s(self._connection))
        self._probed_at, self._error = began, "the last probe is too old"
        if failures == self._appends.failures:  # none has failed meanwhile
            self._appends.failing = False

    def _note_clock(self, behind_s: float) -> None:
        self.clock_behind_s = behind_s
        now = asyncio.get_running_loop().time()
        if behind_s > MAX_CLOCK_BEHIND_S and now - self._warned_at >= CLOCK_WARNING_S:
            self._warned_at = now
            _log.warning("the database clock is behind the log by %.0f s", behind_s)

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _schema(row: Mapping[str, Any]) -> str:
    return f"{row['name']} version {row['version']}"
