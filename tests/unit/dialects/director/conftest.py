"""A run and its tasks as the read models give them, in full."""

from __future__ import annotations

import pytest

RUN = {
    "run_id": "8d3d5c31-54d0-4963-a3bf-89d47768cc8c",
    "run_number": 1,
    "tenant": "default",
    "fullname": "example.ETL",
    "status": "queued",
    "failing": False,
    "trigger": "on_demand",
    "created_us": 1_795_363_213_060_860,
    "updated_us": 1_795_363_213_060_860,
    "payload": {"foo": "bar"},
    "comment": None,
    "tasks": [],
}
TASK = {
    "id": "3609c66c-4162-4285-8bf2-81ced2aef4f3",
    "path": "EXTRACT",
    "key": "EXTRACT",
    "previous": [],
    "groups": [],
    "hook": None,
    "status": "pending",
    "created_us": 1_795_363_237_438_155,
    "updated_us": 1_795_363_237_491_816,
    "result": None,
    "error": None,
}


@pytest.fixture
def run():
    return lambda **facts: {**RUN, **facts}


@pytest.fixture
def task():
    return lambda **facts: {**TASK, **facts}
