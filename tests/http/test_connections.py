"""Connections: heads are bounded in bytes and time, what is malformed is answered in kind."""

import asyncio
import contextlib
import gzip
import json
import zlib

import pytest

from service.http import connections
from tests.waiting import until


@contextlib.asynccontextmanager
async def connected(client):
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def answer_to(client, *parts: bytes) -> tuple[int, dict, bytes]:
    """Send parts one after the other; return status, JSON and the whole answer."""
    async with connected(client) as (reader, writer):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        answer = await asyncio.wait_for(reader.read(), 10)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body), head


MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "method": b"G@T /acme/runs HTTP/1.1\r\nHost: x\r\n\r\n",
    "version": b"GET /acme/runs HTTP/9.9\r\nHost: x\r\n\r\n",
    "header": b"GET /acme/runs HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
    "control character": b"GET /acme/runs HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
    "two hosts": b"GET /acme/runs HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "length": b"POST /acme/runs HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    "two lengths": (
        b"POST /acme/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
    ),
    "length and chunks": (
        b"POST /acme/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    ),
    "path in raw UTF-8": "GET /acme/ü HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_http_is_answered_by_the_owner_of_the_path(client, name):
    request = MALFORMED[name]
    status, body, head = await answer_to(client, request)
    assert (body["vendor"], status) == ("acme" if b"/acme" in request else "own", 400)
    assert b"X-Request-Id: " in head
    assert b"Connection: close" in head or head.startswith(b"HTTP/1.0")


async def test_head_over_the_limit_is_431_however_it_comes(client):
    line = b"A: " + b"x" * 8000 + b"\r\n"
    head = b"GET /acme/runs HTTP/1.1\r\nHost: x\r\n" + line * 9
    for parts in (
        (head + b"\r\n",),
        (head, b"\r\n"),
        (head,),
        tuple(head.splitlines(keepends=True)),
    ):
        status, body, _ = await answer_to(client, *parts)
        assert (body["vendor"], status) == ("acme", 431), len(parts)
    status, body, _ = await answer_to(client, b"GET /acme/" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n")
    assert (body["vendor"], status) == ("acme", 431)


async def test_head_below_the_limit_with_a_large_body_behind_it_is_served(client, bearer):
    body = b'"' + b"x" * 70_000 + b'"'
    head = (
        "POST /acme/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: {bearer['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    status, answer, _ = await answer_to(client, head.encode() + body)
    assert (answer["vendor"], status) == ("acme", 413)


async def test_head_without_an_end_is_cut_after_its_time_in_the_owners_words(client, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.2)
    status, body, _ = await answer_to(
        client, b"GET /acme/runs HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"
    )
    assert (body["vendor"], status) == ("acme", 408)


async def test_trickled_head_does_not_begin_its_time_anew(client, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.3)

    async def trickle(writer):
        while True:
            writer.write(b"A: b\r\n")
            await asyncio.sleep(0.05)

    async with connected(client) as (reader, writer):
        writer.write(b"GET /acme/runs HTTP/1.1\r\n")
        task = asyncio.create_task(trickle(writer))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        task.cancel()
        assert b" 408 " in answer


async def test_second_request_of_a_connection_has_its_own_bounds(client, bearer, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.3)
    head = f"GET /acme/runs HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer['Authorization']}\r\n"
    async with connected(client) as (reader, writer):
        for _ in range(3):
            writer.write(head.encode())
            await asyncio.sleep(0.2)
            writer.write(b"\r\n")
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            await asyncio.sleep(0.2)
        writer.write(head.encode())
        assert b" 408 " in await asyncio.wait_for(reader.read(), 5)


@pytest.mark.usefixtures("waiting")
async def test_what_is_sent_far_ahead_of_an_answer_ends_the_connection(client, bearer):
    head = f"GET /acme/wait HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer['Authorization']}\r\n\r\n"
    async with connected(client) as (reader, writer):
        writer.write(head.encode())
        await asyncio.sleep(0.1)
        writer.write(b"GET /acme/wait HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                writer.write(b"A: " + b"x" * 30_000 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.005)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
    assert client.server.counts.cut == 1


async def test_client_that_pipelines_is_served_however_much_it_sends_in_all(client):
    """Each request is sent while the one before it is being answered."""
    request = b"GET /acme/pause HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 30_000 + b"\r\n\r\n"
    count = 60
    assert count * len(request) > 3 * connections.MAX_AHEAD_BYTES
    async with connected(client) as (reader, writer):
        writer.write(request)
        for _ in range(count):
            await asyncio.sleep(0.005)
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b"}")
    assert client.server.counts.cut == 0


async def test_connections_of_an_address_are_bounded_and_counted(client, monkeypatch):
    monkeypatch.setattr(client.server.counts, "_most", 3)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(connected(client))
        await until(lambda: client.server.counts._by_address.total() == 3)
        reader, _ = await stack.enter_async_context(connected(client))
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 503 ")
    assert client.server.counts.refused == 1
    await until(lambda: client.server.counts._by_address.total() == 0)
    assert (await client.get("/acme/runs")).status == 405


def packed(text: str, wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(text.encode()) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "wbits"), [("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("deflate", -15)]
)
async def test_compressed_body_is_read(client, bearer, encoding, wbits):
    headers = bearer | {"Content-Encoding": encoding}
    answer = await client.post("/acme/runs", headers=headers, data=packed('{"a": 1}', wbits))
    assert answer.status < 300
    assert (await answer.json())["body"] == {"a": 1}


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "nonsense"])
async def test_encoding_that_is_not_understood_is_415_in_the_vendors_words(
    client, bearer, encoding
):
    headers = bearer | {"Content-Encoding": encoding}
    answer = await client.post("/acme/runs", headers=headers, data=b"x")
    assert ((await answer.json())["vendor"], answer.status) == ("acme", 415)
    assert answer.headers["Accept-Encoding"] == "gzip, deflate"


async def test_nothing_is_inflated_for_strangers_or_beyond_the_limit(client, bearer, monkeypatch):
    made = []
    inflate = zlib.decompressobj

    class Watched:
        def __init__(self, *arguments):
            self._inflater = inflate(*arguments)

        def decompress(self, raw, most=0):
            body = self._inflater.decompress(raw, most)
            made.append(len(body))
            return body

        def __getattr__(self, name):
            return getattr(self._inflater, name)

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    bomb = gzip.compress(b" " * 10_000_000)
    headers = {"Content-Encoding": "gzip"}
    assert (await client.post("/acme/runs", headers=headers, data=bomb)).status in {401, 413}
    assert (await client.post("/nowhere", headers=headers, data=bomb)).status in {404, 413}
    assert not made
    small = gzip.compress(b" " * 100_000)
    answer = await client.post("/acme/runs", headers=bearer | headers, data=small)
    assert ((await answer.json())["vendor"], answer.status) == ("acme", 413)
    assert made == [1001]


@pytest.mark.parametrize("cut", [1, 8])
async def test_compressed_body_that_is_cut_short_is_400(client, bearer, cut):
    body = gzip.compress(b'{"a": 1}')[:-cut]
    headers = bearer | {"Content-Encoding": "gzip"}
    answer = await client.post("/acme/runs", headers=headers, data=body)
    assert ((await answer.json())["vendor"], answer.status) == ("acme", 400)
