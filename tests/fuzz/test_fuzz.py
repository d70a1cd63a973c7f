"""The fuzzer sees what it is for, and puts ids that exist where a case names any."""

import random

import pytest
import yaml

from tests.fuzz.asking import known_value
from tests.fuzz.cases import leads_elsewhere, replace
from tests.fuzz.findings import Findings

DOCUMENT = yaml.safe_load("""{responses: {"200": {}, "404": {}, "503": {}}}""")


@pytest.mark.parametrize(
    ("status", "found"), [(200, 0), (404, 0), (409, 1), (302, 1), (500, 1), (503, 1)]
)
def test_a_server_error_and_an_undocumented_status_are_findings(status, found):
    findings = Findings()
    findings.judge("acme_read", status, DOCUMENT["responses"], "GET /")
    assert len(findings) == found


def test_a_finding_is_shown_once_with_its_first_request(capsys):
    findings = Findings()
    for request in ("GET /1", "GET /2"):
        findings.judge("acme_read", 500, (), request)
    findings.print()
    assert capsys.readouterr().out == "  server error 500 of acme_read: GET /1\n"


@pytest.mark.parametrize(
    ("kind", "value"),
    [("dag_run_id", "r"), ("executionId", "e"), ("flowName", None), ("Idempotency-Key", None)],
)
def test_an_id_is_known_by_its_name_or_the_end_of_one(kind, value):
    assert known_value(kind, {"dagrunid": "r", "jobexecutionid": "e"}) == value


def test_ids_that_exist_take_the_place_of_made_up_ones():
    chance = random.Random(1)
    places = [{"flowId": 1, "page": 2} for _ in range(100)]
    for place in places:
        replace(place, {"flowid": 4711}, chance, 1.0)
    assert {place["flowId"] for place in places} <= {1, 4711}
    assert sum(place["flowId"] == 4711 for place in places) > 50
    assert {place["page"] for place in places} == {2}


@pytest.mark.parametrize(
    ("target", "elsewhere"),
    [
        ("/jobs/executions?a=/", True),
        ("/jobs/%2F/executions", False),
        ("/jobs/1/executions", False),
    ],
)
def test_a_dot_for_an_id_leads_elsewhere(target, elsewhere):
    assert leads_elsewhere(target, "/jobs/{jobId}/executions") is elsewhere
