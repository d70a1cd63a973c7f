"""A project of Celery Director loads unchanged."""

import json
from pathlib import Path

import pytest

from projections.documents.flow import PlanTask, flow_json, flow_of
from service.errors import InvalidPayload
from service.flows.catalogue import TenantCatalogue
from service.flows.definitions import load_definitions
from service.flows.payloads import check
from service.flows.versioning import assign_versions
from service.tasks import load_tasks

PROJECT = Path(__file__).parent / "director"


@pytest.fixture(scope="module")
def flows():
    return {flow.fullname: flow for flow in load_definitions(PROJECT)}


def test_flows_load_in_the_order_of_the_file(flows):
    assert list(flows) == [
        "example.ETL",
        "example.RANDOMS",
        "example.GROUPS",
        "example.HOOKS",
        "example.FAILURE_HOOK",
        "example.PERIODIC",
        "example.CRON",
        "example.SCHED",
        "example.SCHED_CRON",
        "example.QUEUED",
        "example.ROUTED",
        "example.with.dots",
        "schemas.ORDER",
        "schemas.NESTED",
    ]


def test_definitions_are_kept_verbatim_with_their_schema_loaded(flows):
    # The definitions of a live Director 0.9.0, without the three keys that it adds.
    expected = {
        "example.CRON": {"periodic": {"crontab": "0 */3 * * *"}, "tasks": ["EXTRACT"]},
        "example.HOOKS": {
            "hooks": {"failure": "HOOK_KO", "success": "HOOK_OK"},
            "tasks": ["EXTRACT"],
        },
        "example.PERIODIC": {
            "periodic": {"interval": 3600, "payload": {"dry_run": False}},
            "tasks": ["EXTRACT"],
        },
        "example.QUEUED": {"queue": "q1", "tasks": ["EXTRACT", "LOAD"]},
        "example.RANDOMS": {
            "tasks": [{"GROUP_RANDOMS": {"tasks": ["RANDOM", "RANDOM"], "type": "group"}}, "ADD"]
        },
        "example.ROUTED": {
            "queue": {"customs": {"LOAD": "q2"}, "default": "celery"},
            "tasks": ["EXTRACT", "LOAD"],
        },
        "example.SCHED": {"periodic": {"schedule": 30.5}, "tasks": ["EXTRACT"]},
        "schemas.ORDER": {
            "schema": {
                "properties": {"product": {"type": "integer"}, "user": {"type": "integer"}},
                "required": ["user", "product"],
                "type": "object",
            },
            "tasks": ["orders.place"],
        },
    }
    assert {name: flows[name].definition for name in expected} == expected


def test_unknown_keys_are_kept_and_keys_and_dates_stay_as_written(flows):
    assert flows["example.with.dots"].definition == {
        "tasks": ["BOUND_TASK"],
        "owner": "data team",
        "since": "2021-05-01",
        "on": [1, 2],
    }


def test_group_members_wait_for_the_step_before_and_the_next_step_for_all(flows):
    assert flows["example.RANDOMS"].plan.tasks == (
        PlanTask("GROUP_RANDOMS/RANDOM", "RANDOM", groups=("GROUP_RANDOMS",)),
        PlanTask("GROUP_RANDOMS/RANDOM#2", "RANDOM", groups=("GROUP_RANDOMS",)),
        PlanTask("ADD", "ADD", previous=("GROUP_RANDOMS/RANDOM", "GROUP_RANDOMS/RANDOM#2")),
    )


def test_members_of_a_group_after_a_group_wait_for_all_of_the_first(flows):
    first = ("FIRST/EXTRACT", "FIRST/RANDOM")
    assert flows["example.GROUPS"].plan.tasks[2:] == (
        PlanTask("SECOND/ADD", "ADD", previous=first, groups=("SECOND",)),
        PlanTask("SECOND/ADD#2", "ADD", previous=first, groups=("SECOND",)),
    )


def test_hooks_come_last_and_wait_for_no_task(flows):
    assert flows["example.HOOKS"].plan.tasks == (
        PlanTask("EXTRACT", "EXTRACT"),
        PlanTask("@success/HOOK_OK", "HOOK_OK", hook="success"),
        PlanTask("@failure/HOOK_KO", "HOOK_KO", hook="failure"),
    )
    assert [task.path for task in flows["example.FAILURE_HOOK"].plan.tasks] == [
        "EXTRACT",
        "@failure/HOOK_KO",
    ]


def test_tasks_are_called_as_director_calls_them():
    tasks = load_tasks(PROJECT / "tasks")
    assert tasks["ADD"]([1, 2], payload={}, workflow_id="7") == 3
    assert tasks["orders.place"](None, payload={"product": 5}, workflow_id="7") == 15
    assert tasks["BOUND_TASK"](None, payload={}, workflow_id="7") == "BOUND_TASK"


@pytest.mark.parametrize(
    ("payload", "errors"),
    [
        ({}, ["'user' is a required property", "'product' is a required property"]),
        ({"user": "john", "product": 1000}, ["'john' is not of type 'integer'"]),
        (
            {"product": "x", "user": "john"},
            ["'john' is not of type 'integer'", "'x' is not of type 'integer'"],
        ),
    ],
)
def test_payload_errors_match_directors_although_the_log_sorts_keys(flows, payload, errors):
    (flow,) = assign_versions(TenantCatalogue("default"), [flows["schemas.ORDER"]], [])
    kept = flow_of("default", json.loads(json.dumps(flow_json(flow), sort_keys=True)))
    with pytest.raises(InvalidPayload) as raised:
        check(kept, payload)
    assert list(raised.value.errors) == errors
