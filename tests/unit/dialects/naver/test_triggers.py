"""Schedules, which are in UTC, as NAVER's rules, which are in Korean time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.dialects.naver import triggers

RECURS = {"type": "RECURRING"}
CASES = [
    ({"crontab": "0 0 * * *"}, {"interval": "DAY", "time": "09:00"}),
    ({"crontab": "5 15 * * *"}, {"interval": "DAY", "time": "00:05"}),
    ({"crontab": "5 * * * *"}, {"interval": "HOUR", "time": "05"}),
    (
        {"crontab": "0 1 * * 1-5"},
        {
            "interval": "WEEK",
            "time": "10:00",
            "dayOfWeek": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"],
        },
    ),
    (
        {"crontab": "0 20 * * sun,6"},
        {"interval": "WEEK", "time": "05:00", "dayOfWeek": ["MONDAY", "SUNDAY"]},
    ),
    (
        {"crontab": "0 1 * * sat-mon"},
        {"interval": "WEEK", "time": "10:00", "dayOfWeek": ["MONDAY", "SATURDAY", "SUNDAY"]},
    ),
    ({"crontab": "0 1 * * 7"}, {"interval": "WEEK", "time": "10:00", "dayOfWeek": ["SUNDAY"]}),
    ({"crontab": "0 1 1 * *"}, {"interval": "MONTH", "time": "10:00", "dateOfMonth": "1"}),
    ({"crontab": "0 20 1 * *"}, {"interval": "MONTH", "time": "05:00", "dateOfMonth": "2"}),
    ({"schedule": "0 1 0 * *"}, {"interval": "WEEK", "time": "10:00", "dayOfWeek": ["SUNDAY"]}),
    # What NAVER has no rule for only recurs.
    ({"crontab": "0 20 28 * *"}, {}),
    ({"crontab": "0 1 31 * *"}, {}),
    ({"crontab": "*/5 * * * *"}, {}),
    ({"crontab": "0 */3 * * *"}, {}),
    ({"crontab": "0 1 1 1 *"}, {}),
    ({"crontab": "0 1 1 * 1"}, {}),
    ({"crontab": "0 * 1 * *"}, {}),
    ({"crontab": "0 1 * * */2"}, {}),
    ({"crontab": "0 1 1,15 * *"}, {}),
    ({"interval": 3600}, {}),
    ({"schedule": "60.0"}, {}),
    ({"schedule": 60}, {}),
]


@pytest.mark.parametrize(("periodic", "rule"), CASES)
def test_schedule_is_shown_as_a_rule_if_naver_has_one(flow, periodic, rule):
    scheduled = replace(flow(), definition={"periodic": {**periodic, "payload": {}}})
    assert triggers.rule(scheduled) == RECURS | rule
    assert triggers.kind(scheduled) == "SCHEDULED"


def test_flow_without_a_schedule_has_a_trigger_without_a_rule(flow):
    assert triggers.rule(flow()) == {"type": "NONE"}
    assert (triggers.kind(flow()), triggers.rule_type(flow())) == ("NONE", "NONE")
