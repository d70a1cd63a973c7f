"""What a row of NAVER's list shows of a run."""

from __future__ import annotations

import pytest

from service.dialects.naver import rendering

SECOND_US = 1_000_000
CONDITION = {"numWorker": 2}


@pytest.fixture
def row(run, created_us):
    def show(*, now_s=0, **facts):
        return rendering.execution(run(**facts), CONDITION, created_us + now_s * SECOND_US)

    return show


def test_row_has_all_fields_in_the_vendors_types(row):
    assert row() == {
        "jobExecutionId": "kNObG9dBSJ6Y",
        "jobId": "Jb3Tn8KwR5yZ",
        "jobName": "ledger.orders",
        "jobCondition": CONDITION,
        "status": "READY",
        "startDate": "2026-01-01T09:00:00+09:00",
        "endDate": None,
        "createdDate": "2026-01-01T09:00:00+09:00",
        "triggerId": "Tg1Ls6DpF4hU",
        "triggerName": "ledger.orders",
        "waitingTime": 0,
        "runningTime": 0,
        "executorNum": 2,
        "parsedParameters": [],
        "type": "WORKFLOW",
    }


def test_condition_has_the_vendors_defaults():
    assert rendering.job_condition(None) == {
        "workerType": "DEFAULT",
        "numWorker": 2,
        "timeout": 360,
        "nrn": None,
        "scriptPath": None,
        "logPath": None,
        "consoleLogPath": None,
    }


@pytest.mark.parametrize(
    ("timeout_s", "minutes"),
    [(None, 360), (60, 1), (61, 2), (0.5, 1), (3600, 60), (86_400, 1440), (1e9, 1440)],
)
def test_timeout_is_in_minutes_as_the_vendor_bounds_it(timeout_s, minutes):
    assert rendering.job_condition(timeout_s)["timeout"] == minutes


@pytest.mark.parametrize(
    ("facts", "now_s", "waiting_s", "running_s"),
    [
        ({"status": "queued"}, 7, 7, 0),
        ({"status": "running", "started": 6}, 47, 6, 41),
        ({"status": "succeeded", "started": 36, "ended": 54}, 999, 36, 18),
        ({"status": "cancelled", "ended": 5}, 999, 5, 0),
        # A reporter's clock may stand before ours, and this process's before the ledger's.
        ({"status": "running", "started": -3}, -5, 0, 0),
    ],
)
def test_durations_are_in_seconds_and_grow_until_the_end(
    row, created_us, facts, now_s, waiting_s, running_s
):
    at = {
        f"{name}_us": created_us + facts.pop(name) * SECOND_US
        for name in ("started", "ended")
        if name in facts
    }
    shown = row(now_s=now_s, **facts, **at)
    assert (shown["waitingTime"], shown["runningTime"]) == (waiting_s, running_s)


def test_dates_are_in_korean_time_truncated_to_the_second(row, created_us):
    shown = row(
        status="succeeded",
        started_us=created_us + 6_999_999,
        ended_us=created_us + 15 * 3600 * SECOND_US,
    )
    assert shown["startDate"] == "2026-01-01T09:00:06+09:00"
    assert shown["endDate"] == "2026-01-02T00:00:00+09:00"


def test_parameters_are_an_object_if_present(row):
    assert row(payload={"day": 1})["parsedParameters"] == {"day": 1}
