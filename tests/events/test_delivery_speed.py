"""How soon a follower is at the head: `pytest tests/events -m benchmark -s`."""

import asyncio
import sys
import time

import pytest

from tests.events.making import request

pytestmark = pytest.mark.benchmark


async def test_a_filter_that_matches_nothing_reaches_the_head(log, batcher, capsys):
    """Acceptance S-2."""
    await asyncio.gather(*(batcher.append(request(f"s{n}", 0)) for n in range(5_000)))
    began, after, head = time.perf_counter(), 0, await log.head()
    while after < head:
        found, after = await log.read_page(after, 100, "nobody")
        assert found == []
    took = time.perf_counter() - began
    with capsys.disabled():
        sys.stdout.write(f"\n{head:,} events of others: {took:.3f} s to the head\n")
