"""A proxy before the database that drops the connection at a marked answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

NOTHING = b"\x00nothing looks like this\x00"


class Proxy:
    """Swallows the answer to what first contains ``mark``, and cuts that connection."""

    def __init__(self, url: str, folder: Path, mark: bytes) -> None:
        self._mark = mark
        self._parts = urlsplit(url)
        self._query = {name: values[0] for name, values in parse_qs(self._parts.query).items()}
        self._folder = folder
        self._streams: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.slammed = 0
        """How many answers were swallowed."""

    @property
    def url(self) -> str:
        query = urlencode({**self._query, "host": str(self._folder), "port": "5432"})
        user = self._parts.netloc.rpartition("@")[0]
        return self._parts._replace(netloc=f"{user}@" if user else "", query=query).geturl()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        path = self._folder / ".s.PGSQL.5432"
        server = await asyncio.start_unix_server(self._serve, str(path))
        try:
            yield self
        finally:
            server.close()
            for stream in self._streams:
                stream.close()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        upstream, downstream = await self._open()
        self._streams |= {writer, downstream}
        marked = asyncio.Event()
        await asyncio.gather(
            self._ask(reader, downstream, marked), self._answer(upstream, writer, marked)
        )

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = self._query.get("host", self._parts.hostname)
        port = int(self._query.get("port", self._parts.port or 5432))
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _ask(self, reader, writer, marked: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self._mark in data:
                    self._mark = NOTHING  # the repeat passes
                    marked.set()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _answer(self, reader, writer, marked: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if marked.is_set():
                    self.slammed += 1
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
