"""The way back: has the version before answer again, which the runners have kept up to date."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from events.database import translate
from events.envelope import Position
from projections.errors import NoSuchReadModel, RebuildRefused
from projections.projection import Projection, Version
from projections.rebuild import jobs
from projections.rebuild.jobs import Rebuild, Wish
from projections.rebuild.phases import Desk, carry_on, desk, drop_previous, flip
from projections.rebuild.version_sync import Pair
from projections.registry import answering, standings


async def roll_back(
    url: str, name: str, wish: Wish, known: Iterable[Projection] | None = None
) -> Rebuild:
    """Have the version before answer again; what answered till then is kept for the way forth.

    Raises:
        NoSuchReadModel: there is none of this name.
        RebuildRefused: there is no version before, it is paused or far behind, this release does
            not know its shape, or a rebuild is under way.
        LogError: the database does not answer.
    """
    async with desk(url, name, known) as taken:
        if taken is None:
            raise RebuildRefused(f"{name} is being rebuilt: cancel that first")
        with translate():
            pair = await _pair(taken, name)
            found = await jobs.find(taken.connection, name)
            if found is not None and found.open:
                raise RebuildRefused(
                    f"a rebuild of {name} is {found.phase}: let it finish, or cancel it first"
                )

            async def note(position: Position) -> None:
                shown = orjson.dumps({"position": position}).decode()
                following = pair.following
                entered = await taken.fetchval(
                    "enter_rollback",
                    name,
                    pair.serving.number,
                    following.number,
                    following.projection.shape,
                    wish.started_by,
                    wish.source,
                    shown,
                )
                if entered is None:
                    raise RebuildRefused(f"a rebuild of {name} was begun just now")

            await flip(taken.connection, pair, note)
        return await carry_on(taken, name)


async def _pair(desk: Desk, name: str) -> Pair:
    rows = await standings(desk.connection)
    if name not in rows:
        raise NoSuchReadModel(name, sorted(rows))
    number, shape = rows[name].previous_version, rows[name].previous_shape
    if number is None:
        raise RebuildRefused(f"no version before is kept of {name}: there is no way back")
    for projection in desk.known:
        if (projection.name, projection.shape) == (name, shape):
            serving = (await answering(desk.connection, desk.known_of(name)))[name]
            return Pair(desk.url, desk.log, serving, Version(projection, number))
    raise RebuildRefused(
        f"{name} version {number} has shape {shape}, which this release does not know:"
        " use the release that it was made by"
    )


async def drop_kept(url: str, name: str) -> str | None:
    """Drop the version that is kept for a way back; names its schema, None if there is none.

    Raises:
        RebuildRefused: a rebuild is under way.
        LogError: the database does not answer.
    """
    async with desk(url, name) as taken:
        if taken is None:
            raise RebuildRefused(f"{name} is being rebuilt: its next step may need what is kept")
        with translate():
            return await drop_previous(taken.connection, name)
