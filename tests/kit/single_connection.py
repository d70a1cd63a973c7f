"""A pool of one connection, for reads and writes within one session."""

import asyncpg

from events.database import Database


class SingleConnectionPool:
    """Looks like a pool; who acquires gets the one connection, in whatever transaction it is."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.database = Database("postgresql://nowhere.invalid/none")  # never connected to

    def acquire(self):
        return self

    async def __aenter__(self) -> asyncpg.Connection:
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        return
