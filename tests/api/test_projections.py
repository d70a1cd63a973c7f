"""What an operator may do to a read model through /v1, and what is refused with the reason."""

from __future__ import annotations

import pytest

RETRY, SKIP = "/v1/projections/executions/retry", "/v1/projections/executions/skip"
PROPER = {"position": 1, "reason": "because"}
CALLS = [(RETRY, None), (SKIP, PROPER)]
WHOLE = "administrator of all"


@pytest.mark.parametrize(("path", "body"), CALLS)
@pytest.mark.parametrize("key", ["viewer", "editor", "auditor", "auditor of all"])
def test_only_an_administrator_can_retry_or_skip(api, problem, untouched, path, body, key):
    assert problem(api.ask("POST", path, body, key=key), 403) == "forbidden"


@pytest.mark.parametrize("path", ["retry", "skip", "rebuild", "rebuild/cancel", "rollback"])
def test_administrator_of_one_tenant_changes_no_read_model(api, problem, untouched, path):
    answer = api.ask("POST", f"/v1/projections/listings/{path}", PROPER, key="administrator")
    assert problem(answer, 403) == "forbidden"
    assert "tenant *" in answer.json["detail"]


@pytest.mark.parametrize("workers", [0, 65, 2**40])
def test_rebuild_over_http_has_as_many_workers_as_on_the_command_line(
    api, problem, untouched, workers
):
    answer = api.ask("POST", "/v1/projections/listings/rebuild", {"workers": workers}, key=WHOLE)
    assert problem(answer, 400) == "bad-request"
    assert "from 1 to 64" in answer.json["detail"]


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_retry_or_skip_of_a_running_read_model_is_refused(api, problem, untouched, path, body):
    answer = api.ask("POST", path, body, key=WHOLE)
    assert problem(answer, 409) == "not-paused"
    assert "executions version 1 is running" in answer.json["detail"]


@pytest.mark.parametrize("verb", ["retry", "skip"])
def test_unknown_read_model_is_not_found_and_known_ones_are_listed(api, problem, untouched, verb):
    answer = api.ask(
        "POST", f"/v1/projections/gone/{verb}", PROPER if verb == "skip" else None, key=WHOLE
    )
    assert problem(answer, 404) == "unknown-read-model"
    assert "executions, listings" in answer.json["detail"]


@pytest.mark.parametrize("verb", ["retry", "skip"])
def test_an_unknown_version_is_not_found(api, problem, untouched, verb):
    body = {"version": 7} | (PROPER if verb == "skip" else {})
    answer = api.ask("POST", f"/v1/projections/executions/{verb}", body, key=WHOLE)
    assert problem(answer, 404) == "unknown-read-model"
    assert "executions version 7" in answer.json["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"position": 0}, "position"),
        ({"position": True}, "position"),
        ({"position": "1"}, "position"),
        ({"position": 2**63}, "position"),
        ({"position": None}, "position"),
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "reason"),
        ({"reason": "two\nlines"}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": None}, "reason"),
        ({"version": 0}, "version"),
        ({"versoin": 1}, "versoin"),
    ],
)
def test_malformed_skip_is_refused_by_name(api, problem, untouched, change, field):
    answer = api.ask("POST", SKIP, PROPER | change, key=WHOLE)
    assert problem(answer, 400) == "bad-request"
    assert answer.json["field"] == field


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_an_unknown_parameter_is_refused(api, problem, untouched, path, body):
    assert problem(api.ask("POST", f"{path}?force=1", body, key=WHOLE), 400) == "bad-request"
