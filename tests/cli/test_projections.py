"""The verbs for read models: what they show, what they ask, what they refuse in one line."""

from __future__ import annotations

import json

from tests.cli.test_verbs import good, refused


def test_what_is_not_paused_is_left_alone(verb):
    line = refused(verb("projections", "retry", "executions"))
    assert "executions version 1 is running" in line
    line = refused(verb("projections", "skip", "executions", "--reason", "why", "--yes"))
    assert "executions version 1 is running" in line


def test_an_unknown_read_model_is_named_with_those_there_are(verb):
    for arguments in (("retry", "gone"), ("skip", "gone", "1", "--reason", "why", "--yes")):
        line = refused(verb("projections", *arguments))
        assert "no read model gone" in line
        assert "executions" in line


def test_a_skip_without_a_reason_is_a_usage_error(verb):
    assert verb("projections", "skip", "executions", "1", "--yes").returncode == 2
    assert "reason" in refused(
        verb("projections", "skip", "executions", "1", "--reason", " ", "--yes")
    )


def test_nothing_is_recorded_by_what_is_refused(verb):
    refused(verb("projections", "skip", "executions", "1", "--reason", "why", "--yes"))
    log = good(verb("events", "tail", "--after", "0", "--no-follow", "--json"))
    assert [json.loads(line)["type"] for line in log.splitlines()] == []
