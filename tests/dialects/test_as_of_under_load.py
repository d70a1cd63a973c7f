"""Acceptance H-2: what was answered while runs went on is answered as of its position."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests import postgres
from tests.dialects.serving import serving
from tests.dialects.suite import NAMES, STATES, Call
from tests.dialects.test_as_of import ask, looking_back, reads, shown

WRITERS, READERS = 3, 3
ROUNDS = 4
"""How often each writer brings a run to each state."""

ASKED_AGAIN = 600
OWN = (
    "/v1/runs?limit=5",
    "/v1/runs?flow=suite.ORDERS&limit=5",
    "/v1/runs/{run_id}",
    "/v1/runs/{run_id}/events?limit=3",
    "/v1/runs/{run_id}/history",
    "/v1/events?after={position}&limit=10",
    "/v1/flows",
)


@pytest.fixture(scope="module")
def server(postgres_run, template_database):
    """A server of this module's own, that nobody else writes to."""
    with (
        postgres.fresh_database(postgres_run, template_database) as url,
        serving(url) as server,
    ):
        yield server


def write(server, runs, seed):
    chance = random.Random(seed)
    for state in chance.sample(STATES, len(STATES)) * ROUNDS:
        runs.append(server.begin("suite.ORDERS", {"seed": seed}))
        runs.append(server.brought_to(state))


def own(run):
    return [Call("GET", target.format(**run)) for target in OWN]


def put(server, name, call):
    return server.own(call.method, call.target) if name == "api" else ask(server, name, call)


def read(server, runs, over, seed):
    chance, given = random.Random(seed), []
    while not over.is_set():
        run = chance.choice(runs[-6:])
        name = chance.choice((*NAMES, "api"))
        for call in own(run) if name == "api" else reads(name, run):
            answer = put(server, name, call)
            assert answer.status == 200, (call, answer.body)
            if "Flowledger-Position" in answer.headers:  # an empty page of a run has none
                given.append((name, call, answer))
    return given


@pytest.fixture(scope="module")
def given(server):
    runs, over = [server.begin("suite.ORDERS", {})], Event()
    with ThreadPoolExecutor(WRITERS + READERS) as threads:
        reading = [threads.submit(read, server, runs, over, seed) for seed in range(READERS)]
        writing = [threads.submit(write, server, runs, seed) for seed in range(WRITERS)]
        try:
            for writer in writing:
                writer.result()
        finally:
            over.set()
        return [each for reader in reading for each in reader.result()]


def test_answer_given_under_load_is_repeated_as_of_its_position(server, given):
    assert {name for name, _, _ in given} == {*NAMES, "api"}
    positions = {answer.headers["Flowledger-Position"] for _, _, answer in given}
    assert len(positions) > 50
    sample = random.Random(1).sample(given, min(ASKED_AGAIN, len(given)))
    for number, (name, call, before) in enumerate(sample):
        position = before.headers["Flowledger-Position"]
        again = put(server, name, looking_back(call, position, by="query"))
        assert again.status == 200, (number, call, again.body)
        assert shown(again) == shown(before), (call, position)
