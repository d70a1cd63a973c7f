"""Every sample, asked of a real server: the same status, type, shape and fixed values."""

from __future__ import annotations

import copy
import json

import pytest

from tests.dialects import samples
from tests.dialects.samples import NoSample, Sample
from tests.dialects.suite import DIALECTS, NAMES, Answer, vendor

FILES = samples.files()
A_READ = {
    "source": "docs.acme.example, status page",
    "checked": "2026-01-31",
    "state": "running",
    "role": "operator",
    "request": {"method": "GET", "target": "/runs/{executionId}", "headers": {}},
    "response": {"status": 200, "body": {"executionId": 7, "word": "up", "at": 1.5, "end": None}},
    "fixed": ["word"],
}


def sample(**changes):
    return Sample("incorta", "a-read", {**copy.deepcopy(A_READ), **changes})


def answer(body, status=200, media_type="application/json"):
    return Answer(status, {"Content-Type": media_type}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("name", "file"), FILES, ids=[f"{name}-{file.stem}" for name, file in FILES]
)
def test_sample_request_gets_the_sample_response(server, run_in, queued, name, file):
    sample = samples.load(name, file)
    content = sample.content
    run = queued(content["flow"]) if "flow" in content else run_in(content["state"])
    operator = server.keys["operator"]
    ids = {
        **run["vendor_ids"][name],
        "tenant": run["tenant"],
        "username": operator.username,
        "password": operator.password,
    }
    call = sample.call(ids)
    if content["role"] is not None:
        call = vendor(name).sign(call, server.keys[content["role"]])
    answer = server.ask(call)
    if call.method == "POST":
        started = server.newest(run["flow"]["fullname"])
        if started["run_id"] != run["run_id"]:
            server.cancel(started, force=True)  # it may have taken its flow's slot
    sample.check(answer, ids)


@pytest.mark.parametrize("name", NAMES)
async def test_every_operation_has_a_sample_of_a_success_and_of_an_error(name):
    mine = [samples.load(name, file) for vendor, file in FILES if vendor == name]
    missing = await samples.without_samples(DIALECTS[name], mine)
    assert not missing, f"add files to {samples.folder(name)}/samples:\n" + "\n".join(missing)


async def test_operation_without_a_sample_is_reported():
    missing = await samples.without_samples(DIALECTS["incorta"], [])
    assert (
        "GET /incorta/api/v2/{tenant}/load-plan/status/{executionId} has no sample of an error"
        in (missing)
    )
    assert len(missing) >= 4


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"source": ""}, "source"),
        ({"source": None}, "source"),
        ({"state": "finished"}, "state"),
        ({"fixed": []}, "fixes nothing"),
        ({"fixed": ["world"]}, "world"),
        ({"note": "x"}, "nobody reads"),
    ],
)
def test_malformed_sample_is_refused(changes, why):
    with pytest.raises(NoSample, match=why):
        sample(**changes)


def test_a_sample_without_its_source_is_refused():
    with pytest.raises(NoSample, match="source"):
        Sample("incorta", "a-read", {k: v for k, v in A_READ.items() if k != "source"})


GOOD = {"executionId": 42, "word": "up", "at": 2.5, "end": None}


def test_answer_with_the_samples_shape_and_fixed_values_matches():
    sample().check(answer(GOOD), {"executionId": 42})


@pytest.mark.parametrize(
    "wrong",
    [
        answer({**GOOD, "word": "down"}),
        answer({**GOOD, "executionId": 43}),
        answer({**GOOD, "at": "2.5"}),
        answer({**GOOD, "end": 1}),
        answer({**GOOD, "more": 1}),
        answer({name: value for name, value in GOOD.items() if name != "at"}),
        answer(GOOD, status=201),
        answer(GOOD, media_type="text/html"),
    ],
    ids=["value", "id", "type", "null", "member", "absent", "status", "media type"],
)
def test_answer_with_another_shape_or_value_does_not_match(wrong):
    with pytest.raises(AssertionError):
        sample().check(wrong, {"executionId": 42})


def test_answer_other_than_an_object_is_compared_whole():
    number = sample(response={"status": 200, "body": 7}, fixed=[])
    number.check(answer(7), {})
    with pytest.raises(AssertionError):
        number.check(answer(8), {})
