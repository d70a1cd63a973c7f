"""Look-ups share queries, and one caller cannot harm another."""

import asyncio

import pytest

from service.dataloader import DataLoader


class Fetch:
    """A query that is held back until it is let go; notes the keys of each."""

    def __init__(self, **found):
        self.batches = []
        self.found = found
        self.let_go = asyncio.Event()
        self.error = None

    async def __call__(self, keys):
        self.batches.append(sorted(keys))
        await self.let_go.wait()
        if self.error:
            raise self.error
        return self.found, len(self.batches)


@pytest.fixture
async def fetch():
    return Fetch(a=1, b=2)


async def asked(gathering, *keys):
    """Look-ups that have been asked; the first query is under way."""
    tasks = [gathering.get(key) for key in keys]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_waiting_look_ups_share_one_query(fetch):
    fetch.let_go.set()
    answers = await asyncio.gather(*map(DataLoader(fetch).get, "abc"))
    assert answers == [(1, 1), (2, 1), (None, 1)]
    assert fetch.batches == [["a", "b", "c"]]


async def test_key_with_many_callers_is_queried_once(fetch):
    fetch.let_go.set()
    answers = await asyncio.gather(*map(DataLoader(fetch).get, "aaab"))
    assert answers == [(1, 1)] * 3 + [(2, 1)]
    assert fetch.batches == [["a", "b"]]


async def test_look_ups_during_a_query_go_into_the_next_one(fetch):
    gathering = DataLoader(fetch)
    first = await asked(gathering, "a")
    rest = await asked(gathering, "b", "a", "c")
    assert fetch.batches == [["a"]]
    fetch.let_go.set()
    assert await asyncio.gather(*first, *rest) == [(1, 1), (2, 2), (1, 2), (None, 2)]
    assert fetch.batches == [["a"], ["a", "b", "c"]]


async def test_query_has_at_most_the_limit_of_keys(fetch):
    fetch.let_go.set()
    await asyncio.gather(*map(DataLoader(fetch, limit=2).get, "abcde"))
    assert fetch.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_error_reaches_every_caller_of_its_query_and_no_other(fetch):
    gathering = DataLoader(fetch)
    first = await asked(gathering, "a", "b", "a")
    second = await asked(gathering, "c")
    fetch.error = ValueError("away")
    fetch.let_go.set()
    answers = await asyncio.gather(*first, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["away"] * 3
    await asyncio.gather(*second, return_exceptions=True)
    fetch.error = None
    assert await gathering.get("a") == (1, 3)


async def test_cancelled_caller_does_not_cancel_others(fetch):
    gathering = DataLoader(fetch)
    leaver, stayer = await asked(gathering, "a", "a")
    waiting, other = await asked(gathering, "b", "b")
    leaver.cancel()
    waiting.cancel()
    fetch.let_go.set()
    assert await asyncio.gather(stayer, other) == [(1, 1), (2, 2)]
    assert leaver.cancelled()
    assert waiting.cancelled()


async def test_error_without_a_waiting_caller_is_no_warning(fetch):
    gathering = DataLoader(fetch)
    (leaver,) = await asked(gathering, "a")
    leaver.cancel()
    fetch.error = ValueError("away")
    fetch.let_go.set()
    await asyncio.gather(leaver, return_exceptions=True)
    fetch.error = None
    assert await gathering.get("b") == (2, 2)


async def test_no_task_is_left_after_the_last_query(fetch):
    fetch.let_go.set()
    await DataLoader(fetch).get("a")
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
