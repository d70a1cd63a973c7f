"""Kills processes, backends and a whole Postgres, at random from a seed, and counts the kills.

To kill at a named point, use `tests.kit.crash_points` in a process or `tests.kit.gates` in the
database.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence

import asyncpg

from events.database import DRIVER_ERRORS
from tests.kit.processes import Process
from tests.postgres import OwnCluster

BACKENDS = """
select pid from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid
"""
CUT = """
select count(pg_terminate_backend(pid))
from unnest($1::integer[]) as victims (pid)
"""
OF_THIS_DATABASE = """
select pid from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
order by pid
"""


class Killer:
    """Does what its seed says to those who are there; ``kills`` counts by kind."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = random.randrange(2**32) if seed is None else seed
        self.random = random.Random(self.seed)
        self.kills: Counter[str] = Counter()

    async def pause(self, longest_s: float) -> None:
        """Let things go on for a moment of random length."""
        await asyncio.sleep(self.random.random() * longest_s)

    async def process(self, victims: Sequence[Process]) -> Process:
        """SIGKILL one of these, to be started again by the caller."""
        victim = self.random.choice([each for each in victims if each.ended is None])
        await victim.kill()
        self.kills["processes"] += 1
        return victim

    async def backend(self, cluster: OwnCluster) -> None:
        """SIGKILL a backend: Postgres throws out everybody and recovers from its log."""
        connection = await asyncpg.connect(cluster.url)
        try:
            pids = [row["pid"] for row in await connection.fetch(BACKENDS)]
            if pids:
                os.kill(self.random.choice(pids), signal.SIGKILL)
                self.kills["backends"] += 1
        finally:
            with contextlib.suppress(*DRIVER_ERRORS):
                await connection.close(timeout=1)

    async def postgres(self, cluster: OwnCluster) -> None:
        """SIGKILL the server with all its backends, and start it again."""
        await asyncio.to_thread(cluster.kill)
        self.kills["servers"] += 1
        await asyncio.to_thread(cluster.start)

    async def cut(self, owner: asyncpg.Connection, most: int = 1) -> None:
        """End some of a database's connections; all that can be done to a server of others."""
        pids = [row["pid"] for row in await owner.fetch(OF_THIS_DATABASE)]
        chosen = self.random.sample(pids, min(most, len(pids)))
        self.kills["connections"] += await owner.fetchval(CUT, chosen)
