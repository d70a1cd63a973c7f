"""A proxy before the database that goes silent: it swallows bytes and keeps connections open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

CHUNK = 65_536

Directions = frozenset[str]
TO_SERVER: Directions = frozenset({"to server"})
TO_CLIENT: Directions = frozenset({"to client"})
BOTH: Directions = TO_SERVER | TO_CLIENT
NONE: Directions = frozenset()


@dataclass(frozen=True)
class Silence:
    """Which connections swallow which bytes: those open now, those opened later."""

    open: Directions = BOTH
    new: Directions = BOTH


EVERYTHING = Silence()


@dataclass(eq=False)
class _Link:
    silent: Directions
    lost: Directions = NONE


class SilentProxy:
    """Listens on TCP, so that options of the sockets apply; the server may be on a socket file.

    A connection that has lost bytes stays silent in that direction for ever, whatever happens to
    the others: like a half-dead proxy, which does not tell either side that the other has gone.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._query = {name: values[0] for name, values in parse_qs(self._parts.query).items()}
        self._links: set[_Link] = set()
        self._new: Directions = NONE
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0
        self.swallowed = 0
        """Bytes that have gone nowhere."""

    @property
    def url(self) -> str:
        """The database's address by way of the proxy."""
        query = {k: v for k, v in self._query.items() if k not in {"host", "port"}}
        user = self._parts.netloc.rpartition("@")[0]
        netloc = f"{user}@127.0.0.1:{self._port}" if user else f"127.0.0.1:{self._port}"
        return self._parts._replace(netloc=netloc, query=urlencode(query)).geturl()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def go_silent(self, silence: Silence = EVERYTHING) -> None:
        """Swallow bytes from now on."""
        for link in self._links:
            link.silent |= silence.open
        self._new = silence.new

    def heal(self) -> None:
        """Pass bytes on again, but on connections that have lost any."""
        for link in self._links:
            link.silent = link.lost
        self._new = NONE

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["SilentProxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        link = _Link(self._new)
        self._links.add(link)
        upstream: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                answers, upstream = await self._open()
                await asyncio.gather(
                    self._pass_on(reader, upstream, link, TO_SERVER),
                    self._pass_on(answers, writer, link, TO_CLIENT),
                )
            finally:
                self._links.discard(link)
                for each in (writer, upstream):
                    if each is not None:
                        each.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = self._query.get("host", self._parts.hostname)
        port = int(self._query.get("port", self._parts.port or 5432))
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        link: _Link,
        direction: Directions,
    ) -> None:
        data = b" "
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            if direction <= link.silent:  # the end of a connection is not passed on either
                link.lost |= direction
                self.swallowed += len(data)
            elif data:
                writer.write(data)
                await writer.drain()
            else:
                writer.close()
