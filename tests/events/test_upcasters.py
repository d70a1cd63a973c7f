"""Old events are upcast as they are read; their stored bytes stay."""

import pytest

from events.codec import decode
from events.types import SCHEMA_VERSIONS
from events.upcasters import UPCASTERS, upcast
from tests.events.builders import request


def upcast_run_started_1_to_2(data):
    return {**data, "host": None}


def upcast_run_started_2_to_3(data):
    return {"where": data["host"], "n": data["n"] + 1}


@pytest.fixture
def three_versions(monkeypatch):
    monkeypatch.setitem(SCHEMA_VERSIONS, "RunStarted", 3)
    monkeypatch.setitem(UPCASTERS, ("RunStarted", 1), upcast_run_started_1_to_2)
    monkeypatch.setitem(UPCASTERS, ("RunStarted", 2), upcast_run_started_2_to_3)


@pytest.mark.parametrize(
    ("version", "data"), [(1, {"n": 1}), (2, {"n": 1, "host": None}), (3, {"where": None, "n": 2})]
)
def test_event_of_any_version_is_upcast_to_the_newest(three_versions, version, data):
    assert upcast("RunStarted", version, data) == (3, {"where": None, "n": 2})


@pytest.mark.parametrize(("type_", "version"), [("Unheard", 1), ("Unheard", 9), ("RunStarted", 9)])
def test_unknown_type_or_version_passes_unchanged(type_, version):
    data = {"n": 1}
    assert upcast(type_, version, data) == (version, data)


def test_every_upcaster_up_to_the_newest_version_exists():
    steps = {(name, v) for name, newest in SCHEMA_VERSIONS.items() for v in range(1, newest)}
    assert steps == set(UPCASTERS)


async def test_reading_upcasts_and_stored_bytes_stay(log, app, three_versions):
    await log.append([request("s", 0, n=1)])
    [found] = await log.read(0, 1)
    assert (found.schema_version, found.data) == (3, {"where": None, "n": 2})
    stored = await app.fetchrow("select schema_version, body from log.events")
    assert (stored["schema_version"], decode(stored["body"])) == (1, {"n": 1})
