"""The load generator counts what it sent, whatever the server does with its connections."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from tests.benchmarks.load import _Span, measure, request

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
BAD = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def serving(answer: bytes, *, closes: bool = False):
    """A server that gives this answer to each request; what it was asked is yielded."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                if closes:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


async def test_every_answer_is_a_latency():
    async with serving(GOOD) as (port, asked):
        found = await measure(port, request("GET", "/"), connections=4, seconds=0.1)
    assert len(found.latencies) == len(asked) > 0
    assert found.errors == 0


async def test_an_answer_that_is_no_success_is_an_error():
    async with serving(BAD) as (port, asked):
        found = await measure(port, request("GET", "/"), connections=2, seconds=0.05)
    assert found.errors == len(asked)


async def test_each_of_a_list_is_sent_once():
    sent = [request("GET", f"/{number}") for number in range(20)]
    async with serving(GOOD) as (port, asked):
        found = await measure(port, sent, connections=3, seconds=10)
    assert sorted(asked) == sorted(sent)
    assert len(found.latencies) == 20
    assert found.elapsed_s < 10


@pytest.mark.parametrize("answer", [CLOSING, GOOD])
async def test_a_connection_that_the_server_closes_is_followed_by_another(answer):
    sent = [request("GET", f"/{number}") for number in range(20)]
    async with serving(answer, closes=True) as (port, asked):
        found = await measure(port, sent, connections=2, seconds=10)
    assert len(asked) >= 10
    # One that crosses with the server's closing has no answer, which is an error and no success.
    assert len(found.latencies) == 20
    assert found.errors == 20 - len(asked)


async def test_an_answer_that_never_comes_is_an_error():
    async with serving(b"", closes=True) as (port, asked):
        found = await measure(port, [request("GET", "/")] * 5, connections=1, seconds=10)
    assert (len(asked), found.errors) == (5, 5)


async def test_what_warms_up_is_not_counted():
    async with serving(GOOD) as (port, asked):
        found = await measure(port, request("GET", "/"), connections=1, seconds=0.05, warm_s=0.05)
    assert 0 < len(found.latencies) < len(asked)


def test_the_rate_is_of_answers_in_the_time_and_latencies_are_of_what_was_sent_in_it():
    """A server that takes long for many callers is no slower for the beginning and the end."""
    span = _Span(since=10.0, until=12.0)
    for sent, now in ((9.0, 9.9), (9.5, 10.5), (10.5, 11.5), (11.5, 12.0), (11.0, 12.5)):
        span.took(sent, now, good=True)
    found = span.measured
    assert (found.answered, found.elapsed_s, found.per_s) == (3, 2.0, 1.5)
    assert found.latencies == [1.0, 0.5, 1.5]


def test_the_rate_of_a_list_is_of_the_time_that_it_took():
    span = _Span(since=10.0, until=20.0)
    for now in (10.5, 11.0, 12.0):
        span.took(10.0, now, good=True)
    assert span.measured.per_s == 1.5


async def test_a_server_that_is_not_there_is_told():
    async with serving(GOOD) as (port, _):
        pass
    with pytest.raises(ConnectionError):
        await measure(port, request("GET", "/"), connections=1, seconds=1)
