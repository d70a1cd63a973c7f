"""What holds across vendors for any history of a run: property tests, longer under torture."""

from __future__ import annotations

from itertools import count, pairwise
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dialects.histories import (
    EXECUTED,
    OVER,
    REPORTED,
    STEPS,
    History,
    rank,
    word_of,
)
from tests.dialects.suite import ENDS, NAMES, STARTING, Call, vendor
from tests.kit.duration import times

pytestmark = pytest.mark.torture
TENANTS = (f"history-{number}" for number in count(1))
bounded = settings(
    max_examples=times(12, 150),
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def began(*paths):
    return "report", [(("TaskStarted", {}), path) for path in paths]


def ended(how, *paths):
    return "report", [((f"Task{how}", {}), path) for path in paths]


CLAIM = ("claim", 1)
FAILING = [ended("Succeeded", "FIRST"), began("BOTH/RIGHT"), ended("Failed", "BOTH/LEFT")]
FAILED = [*FAILING, ended("Failed", "BOTH/RIGHT"), ended("Succeeded", "@failure/ALARM")]
ALL_BUT_FIRST = ended("Succeeded", "BOTH/LEFT", "BOTH/RIGHT", "LAST", "@success/ANNOUNCE")
LOST = ("report", [(("TaskFailed", {"reason": "lost", "will_retry": True}), "FIRST")])
AGAIN = ("report", [(("TaskFailed", {"will_retry": True}), "FIRST")])
STORIES = {
    "queued": (EXECUTED, [("retry", None)], "queued"),
    "claimed": (EXECUTED, [CLAIM], "queued"),
    "failing": (REPORTED, FAILING, "running"),
    "failed in part": (REPORTED, FAILED, "failed"),
    "failed whole": (
        REPORTED,
        [ended("Failed", "FIRST"), ("report", [(("RunFailed", {}), None)])],
        "failed",
    ),
    "failing, then cancelled": (EXECUTED, [CLAIM, *FAILING, ("cancel", True)], "cancelled"),
    "cancelling": (REPORTED, [began("FIRST"), ("cancel", False)], "cancelling"),
    "cancelled before it began": (EXECUTED, [("cancel", False)], "cancelled"),
    "executed": (EXECUTED, [CLAIM, ended("Succeeded", "FIRST"), ALL_BUT_FIRST], "succeeded"),
    "with warnings": (EXECUTED, [CLAIM, ended("Warned", "FIRST"), ALL_BUT_FIRST], "warned"),
    "tried again": (EXECUTED, [CLAIM, began("FIRST"), AGAIN, began("FIRST")], "running"),
    "lost and taken over": (
        EXECUTED,
        [CLAIM, began("FIRST"), CLAIM, LOST, began("FIRST")],
        "running",
    ),
    "out of time": (REPORTED, [began("FIRST"), ("time out", None)], "failed"),
    "told after its end": (
        REPORTED,
        [*FAILED, began("LAST"), ("cancel", True), ("time out", None)],
        "failed",
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_all_vendors_agree_on_a_scripted_run(server, story):
    flow, steps, end = STORIES[story]
    door = STARTING[len(story) % len(STARTING)]
    assert _tell(server, door, flow, steps)["status"] == end


@bounded
@given(door=st.sampled_from(STARTING), flow=st.sampled_from([REPORTED, EXECUTED]), steps=STEPS)
def test_all_vendors_agree_on_a_random_run(server, door, flow, steps):
    _tell(server, door, flow, steps)


def _tell(server, door, flow, steps):
    """Take a run through its steps; after each, and then of each moment, ask every vendor."""
    history = History.begin(server, next(TENANTS), flow, door)
    for step in [None, *steps]:
        if step:
            history.take(*step)
        run = history.now()
        for name in NAMES:
            word = history.word(name, not_before=run["position"])
            assert word == word_of(name, run), (name, step)
    _check_past(history)
    return run


def _check_past(history):
    """Along a run's positions each vendor's words agree, never turn back and never leave an end."""
    positions = history.positions()
    runs = [history.at(position) for position in positions]
    for name in NAMES:
        words = [history.word(name, at=position) for position in positions]
        assert words == [word_of(name, run) for run in runs], name
        ranks = [rank(name, word) for word in words]
        assert ranks == sorted(ranks), (name, words)
        assert len({word for word, at in zip(words, ranks, strict=True) if at == OVER}) <= 1, name
    for before, after in pairwise(runs):
        assert before["status"] not in ENDS or before["status"] == after["status"]


segments = st.text(min_size=1, max_size=12).map(lambda text: quote(text, safe=""))
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
BODIES = st.none() | st.binary(max_size=40) | st.just(b"[" * 5000)


@pytest.mark.parametrize("name", NAMES)
@bounded
@given(data=st.data(), method=METHODS, segment=segments, body=BODIES, broken=st.booleans())
def test_every_error_is_in_the_vendors_envelope(
    server, run_in, name, data, method, segment, body, broken
):
    run = run_in("running")
    known = [call.target for call in vendor(name).calls(run)]
    target = data.draw(st.sampled_from([*known, vendor(name).unknown]))
    parts = target.split("/")
    at = data.draw(st.integers(len(vendor(name).unknown.split("/")) - 1, len(parts)))
    call = Call(method, "/".join([*parts[:at], segment, *parts[at + 1 :]]), body)
    answer = server.ask(vendor(name).sign(call, server.keys["viewer"]), broken=broken)
    assert answer.status < 500 or broken, (call, answer.body)
    if answer.status >= 400 and method != "HEAD":
        vendor(name).check_error(answer, call)
