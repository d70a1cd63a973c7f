"""A run as the read models give it to a list, and its flow."""

from __future__ import annotations

import pytest

from projections.documents.flow import Flow, Plan

IDS = {"workflowId": "wfA1b2C3d4E5", "jobId": "Jb3Tn8KwR5yZ", "triggerId": "Tg1Ls6DpF4hU"}
CREATED_US = 1_767_225_600_000_000
RUN = {
    "run_id": "8d3d5c31-54d0-4963-a3bf-89d47768cc8c",
    "run_number": 1,
    "tenant": "default",
    "fullname": "ledger.orders",
    "flow_ids": {"naver": IDS},
    "status": "queued",
    "created_us": CREATED_US,
    "started_us": None,
    "ended_us": None,
    "payload": {},
}


@pytest.fixture
def created_us():
    return CREATED_US


@pytest.fixture
def flow_ids():
    return IDS


@pytest.fixture
def run():
    return lambda **facts: {**RUN, **facts}


@pytest.fixture
def flow():
    def make(timeout_s=None):
        return Flow(
            tenant="default",
            fullname="ledger.orders",
            project="ledger",
            name="orders",
            version=1,
            number=1,
            executor="external",
            exclusive=False,
            timeout_s=timeout_s,
            ids={"naver": IDS},
            definition={},
            plan=Plan(()),
        )

    return make
