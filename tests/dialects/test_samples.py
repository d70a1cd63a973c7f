"""Every sample, asked of a real server: the same status, shape and fixed values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service import dialects
from tests.dialects.suite import NAMES, Call, vendor

ROOT = Path(dialects.__file__).parent
FILES = [file for name in NAMES for file in sorted((ROOT / name / "samples").glob("*.json"))]


def filled(text, ids):
    for kind, value in ids.items():
        text = text.replace("{" + kind + "}", str(value))
    return text


def shape(value):
    match value:
        case dict():
            return {name: shape(inner) for name, inner in value.items()}
        case list():
            return [shape(inner) for inner in value]
        case _:
            return type(value).__name__


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
def test_sample_is_answered_as_it_is_written(server, run_in, queued, file):
    sample = json.loads(file.read_bytes())
    client = vendor(file.parts[-3])
    run = queued(sample["flow"]) if "flow" in sample else run_in(sample["state"])
    ids = {**run["vendor_ids"][file.parts[-3]], "tenant": run["tenant"]}
    call = _call(sample["request"], ids)
    if sample["role"] is not None:
        call = client.sign(call, server.keys[sample["role"]])
    answer = server.ask(call)
    expected = sample["response"]
    assert answer.status == expected["status"], answer.body
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    assert shape(answer.json) == shape(expected["body"])
    fixed = sample["fixed"]
    assert {name: answer.json[name] for name in fixed} == {
        name: expected["body"][name] for name in fixed
    }


def _call(request, ids):
    call = Call(request["method"], filled(request["target"], ids), headers=request["headers"])
    if "body" not in request:
        return call
    return call.sending(json.loads(filled(json.dumps(request["body"]), ids)))
