"""How several processes share one cluster: the first starts it, the last one out stops it.

Every user holds a shared flock on `users.lock`; who starts or stops the server first takes
`start.lock` exclusively. A user who leaves tries, under `start.lock`, to make its shared lock
exclusive: that works for the last one out alone, who then stops the server. The kernel frees the
locks of a process that was killed, so a killed user is simply gone. The server runs in a session of
its own (pg_ctl sees to that): it outlives who started it, and where all users were killed it waits
for the next one, who uses it and stops it on leaving.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

from service.embedded.cluster import Cluster
from service.embedded.location import open_cluster


class EmbeddedPostgres:
    """One user of the cluster of a FLOWLEDGER_HOME."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._cluster: Cluster | None = None
        self._seat: IO[str] | None = None
        self._busy = threading.Lock()

    async def start(self) -> str:
        """Join, starting the server where none runs; answers the database's URL.

        Raises:
            EmbeddedPostgresError: the server cannot be started; says what to do.
        """
        return await asyncio.to_thread(self._join)

    async def stop(self) -> None:
        """Leave, stopping the server where nobody else uses it; nothing where we never joined."""
        await asyncio.to_thread(self._leave)

    def _join(self) -> str:
        with self._busy:
            self._cluster = cluster = open_cluster(self._home)
            with _locked(cluster.base / "start.lock"):
                self._seat = self._seat or (cluster.base / "users.lock").open("w")
                fcntl.flock(self._seat, fcntl.LOCK_SH)
                cluster.start()
            return cluster.url

    def _leave(self) -> None:
        with self._busy:
            if self._cluster is None or self._seat is None:
                return
            with self._seat, _locked(self._cluster.base / "start.lock"):
                if _is_last(self._seat):
                    self._cluster.stop()
            self._seat = None


@contextlib.asynccontextmanager
async def embedded_postgres(home: Path) -> AsyncIterator[str]:
    """The URL of the embedded Postgres of this FLOWLEDGER_HOME, for as long as the block runs.

    Raises:
        EmbeddedPostgresError: the server cannot be started or stopped; says what to do.
    """
    server = EmbeddedPostgres(home)
    try:
        yield await server.start()
    finally:
        await server.stop()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_last(seat: IO[str]) -> bool:
    # The change is not atomic: for a moment we hold no lock. Nobody can come in meanwhile, since
    # start.lock is ours.
    try:
        fcntl.flock(seat, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
