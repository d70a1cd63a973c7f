"""Shares one cluster between processes: the first user starts it, the last one stops it.

Each user holds a shared flock on `users.lock`. To start or stop the server, a user first takes
`start.lock` exclusively. A user that leaves tries, under `start.lock`, to make its shared lock
exclusive. Only the last user succeeds, and stops the server. The kernel frees the locks of a killed
process. pg_ctl starts the server in a session of its own, so it outlives the process that started
it. If all users were killed, the server waits for the next one.
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
    """One user of the shared cluster in a FLOWLEDGER_HOME."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._cluster: Cluster | None = None
        self._user_lock: IO[str] | None = None
        self._busy = threading.Lock()

    async def start(self) -> str:
        """Join the users, starting the server if none runs, and return the database's URL.

        Raises:
            EmbeddedPostgresError: the server cannot be started; the message says what to do.
        """
        return await asyncio.to_thread(self._join)

    async def stop(self) -> None:
        """Leave the users, and stop the server if nobody else uses it."""
        await asyncio.to_thread(self._leave)

    def _join(self) -> str:
        with self._busy:
            self._cluster = cluster = open_cluster(self._home)
            with _locked(cluster.base / "start.lock"):
                self._user_lock = self._user_lock or (cluster.base / "users.lock").open("w")
                fcntl.flock(self._user_lock, fcntl.LOCK_SH)
                cluster.start()
            return cluster.url

    def _leave(self) -> None:
        with self._busy:
            if self._cluster is None or self._user_lock is None:
                return
            with self._user_lock, _locked(self._cluster.base / "start.lock"):
                if _is_last(self._user_lock):
                    self._cluster.stop()
            self._user_lock = None


@contextlib.asynccontextmanager
async def embedded_postgres(home: Path) -> AsyncIterator[str]:
    """Run the embedded Postgres of this FLOWLEDGER_HOME during the block; yield its URL.

    Raises:
        EmbeddedPostgresError: the server cannot be started or stopped; the message says what to do.
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


def _is_last(user_lock: IO[str]) -> bool:
    # The change is not atomic: for a moment we hold no lock. Nobody can join meanwhile, because we
    # hold start.lock.
    try:
        fcntl.flock(user_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
