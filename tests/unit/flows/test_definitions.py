"""Files of flows are found and read as written."""

import pytest

from service.flows.definitions import load_definitions
from service.flows.errors import Diagnostics
from service.flows.options import check_periodic


def test_file_of_any_name_is_read(folder):
    (folder / "mine.yml").write_text("a.B:\n  tasks: [A]\n")
    assert [flow.fullname for flow in load_definitions(folder / "mine.yml")] == ["a.B"]


def test_folder_with_both_file_names_is_read_whole(folder):
    (folder / "flows.yaml").write_text("a.B:\n  tasks: [A]\n")
    (folder / "workflows.yml").write_text("a.C:\n  tasks: [A]\n")
    assert [flow.fullname for flow in load_definitions(folder)] == ["a.B", "a.C"]


def test_definition_has_its_options_and_its_location(folder):
    (folder / "flows.yaml").write_text(
        "a.B:\n  tasks: [A]\n  executor: external\n  exclusive: true\n  timeout: 90\n"
        "  schema: {type: object, properties: {z: {}, a: {}}}\n"
        "  ids:\n    etlworks: {flowId: 7}\n    naver:\n      workflowId: wf\n"
    )
    (flow,) = load_definitions(folder)
    assert (flow.executor, flow.exclusive, flow.timeout_s) == ("external", True, 90.0)
    assert flow.payload_schema == '{"type":"object","properties":{"z":{},"a":{}}}'
    assert flow.ids == {"etlworks": {"flowId": 7}, "naver": {"workflowId": "wf"}}
    assert (flow.file, flow.line) == (str(folder / "flows.yaml"), 1)
    assert flow.id_lines == {"etlworks": 8, "naver": 9}


def test_anchors_and_merge_keys_are_resolved_and_can_be_overridden(folder):
    (folder / "flows.yaml").write_text(
        "a.B: &b\n  tasks: &chain [A, B]\n  queue: q1\n"
        "a.C:\n  <<: *b\n  queue: q2\n"
        "a.D:\n  tasks: *chain\n"
    )
    assert {flow.fullname: flow.definition for flow in load_definitions(folder)} == {
        "a.B": {"tasks": ["A", "B"], "queue": "q1"},
        "a.C": {"tasks": ["A", "B"], "queue": "q2"},
        "a.D": {"tasks": ["A", "B"]},
    }


def test_byte_order_mark_is_not_part_of_the_first_name(folder):
    (folder / "flows.yaml").write_text("a.B:\n  tasks: [A]\n", encoding="utf-8-sig")
    assert [flow.fullname for flow in load_definitions(folder)] == ["a.B"]


@pytest.mark.parametrize(
    "periodic",
    [
        {"interval": 60},
        {"interval": "1.5"},
        {"interval": 60, "payload": {"user": False}},
        {"crontab": "0 */3 * * *"},
        {"crontab": "*/15,3 8-18/2 1,31 jan-MAR mon-fri"},
        {"crontab": "0 0 * * 7"},
        {"schedule": 30.5},
        {"schedule": "60"},
        {"schedule": "0 12 1 31 12"},
    ],
)
def test_schedules_of_directors_guides_are_accepted(periodic):
    diagnostics = Diagnostics("flows.yaml", {})
    check_periodic(periodic, (), diagnostics)
    assert diagnostics.collected == []


@pytest.mark.parametrize(
    "periodic",
    [
        {"interval": -1},
        {"interval": True},
        {"interval": "nan"},
        {"interval": "inf"},
        {"interval": "0 * * * *"},
        {"crontab": 60},
        {"crontab": "60"},
        {"crontab": "* * * * * *"},
        {"crontab": "* 24 * * *"},
        {"crontab": "* * 0 * *"},
        {"crontab": "* * * 13 *"},
        {"crontab": "* * * * 8"},
        {"crontab": "* * * * fun"},
        {"crontab": "* * * mon *"},
        {"crontab": "*/0 * * * *"},
        {"crontab": "a * * * *"},
        {"crontab": "1- * * * *"},
        {"schedule": "0 12 31 1 1"},
        {"schedule": []},
    ],
)
def test_invalid_schedule_is_refused(periodic):
    diagnostics = Diagnostics("flows.yaml", {})
    check_periodic(periodic, (), diagnostics)
    assert len(diagnostics.collected) == 1


@pytest.mark.parametrize(
    ("options", "retries", "delay_s"),
    [
        ("", 0, 0.0),
        ("  retries: 2\n", 2, 0.0),
        ("  retries: 2\n  retry_delay: 1.5\n", 2, 1.5),
        ("  retries: 0\n  retry_delay: 0\n", 0, 0.0),
    ],
)
def test_plan_has_the_retries_of_a_failed_run(folder, options, retries, delay_s):
    (folder / "flows.yaml").write_text(f"a.B:\n  tasks: [A]\n{options}")
    [flow] = load_definitions(folder)
    assert (flow.plan.retries, flow.plan.retry_delay_s) == (retries, delay_s)
