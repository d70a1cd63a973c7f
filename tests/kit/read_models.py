"""Compares the read models with a plain fold: one thread, one event after the other, no checkpoint.

Runs are compared as they end, and then dropped from memory, so that a log of any length can be
compared.
"""

from dataclasses import dataclass, field

import asyncpg
import orjson

from events import types
from events.database import close_quietly, connect
from events.envelope import Event
from events.store import Log
from projections.flow_versions import FlowVersions
from projections.projection import Key, States, Version, run_key
from projections.registry import discover, servable_versions
from tests.kit.single_connection import SingleConnectionPool

PAGE = 5_000
WRONG_COUNTS = """
select count(*)
from lists l
left join lateral (
    select count(*) as issued, count(*) filter (where r.unlisted_position is null) as live
    from listings r
    where r.tenant = l.tenant and l.list in ('', r.fullname)
) r on true
left join lateral (
    select sum(b.live) as live from blocks b
    where b.tenant = l.tenant and b.list = l.list
) b on true
where l.issued <> r.issued or l.live <> r.live or l.live <> b.live
"""


@dataclass
class _View:
    version: Version
    states: States = field(default_factory=dict)
    ended: list[Key] = field(default_factory=list)
    rows: int = 0
    differing: int = 0

    def fold(self, event: Event, flows: FlowVersions) -> None:
        if event.type not in self.version.projection.types:
            return
        self.version.projection.fold(self.states, event, flows)
        if event.type in types.RUN_ENDS:
            self.ended.append(run_key(event))

    @property
    def table(self) -> str:
        return f"{self.version.schema}.{self.version.name}"

    async def compare(self, connection: asyncpg.Connection, keys: list[Key]) -> None:
        found = await connection.fetch(
            f"select tenant, run_id, document from {self.table}"
            " join unnest($1::text[], $2::text[]) as wanted (tenant, run_id)"
            " using (tenant, run_id)",
            [key[1] for key in keys],
            [key[2] for key in keys],
        )
        rows = {("run", row["tenant"], row["run_id"]): row["document"] for row in found}
        for key in keys:
            state = self.states.pop(key)
            document = state and orjson.dumps(self.version.projection.document(state))
            self.rows += document is not None
            self.differing += document != rows.get(key)


@dataclass(frozen=True)
class Compared:
    """How many rows the fold gives, in all read models, and how many are not so in the tables."""

    rows: int
    differing: int


async def compare(url: str) -> Compared:
    """Fold the whole log, and compare each run's document byte for byte, the lists by count."""
    connection = await connect(url)
    log = Log(SingleConnectionPool(connection))
    flows = FlowVersions(log)
    try:
        versions = await servable_versions(connection, discover())
        views = [_View(version) for version in versions.values()]
        after = 0
        while events := await log.read(after, PAGE):
            await flows.load(events)
            for view in views:
                for event in events:
                    view.fold(event, flows)
                ended, view.ended = view.ended, []
                # Late events of a run that has ended need its state: none of our writers sends any.
                await view.compare(connection, ended)
            after = events[-1].position
        for view in views:
            await view.compare(connection, [key for key in view.states if key[0] == "run"])
        differing = sum(view.differing for view in views)
        for view in views:
            rows = await connection.fetchval(f"select count(*) from {view.table}")
            differing += abs(rows - view.rows)
        await connection.execute(f"set search_path = {versions['listings'].schema}")
        differing += await connection.fetchval(WRONG_COUNTS)
        return Compared(sum(view.rows for view in views), differing)
    finally:
        await close_quietly(connection)
