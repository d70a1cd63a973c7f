"""The verbs for read models: what they show, what they ask, what they refuse in one line."""

from __future__ import annotations

import asyncio
import json
import re

import asyncpg
import pytest

from tests import postgres
from tests.cli.conftest import SECRET_KEY, program
from tests.cli.test_processes import Running
from tests.cli.test_verbs import EXAMPLES, good, refused


def test_retry_or_skip_of_a_running_read_model_is_refused(verb):
    line = refused(verb("projections", "retry", "executions"))
    assert "executions version 1 is running" in line
    line = refused(verb("projections", "skip", "executions", "--reason", "why", "--yes"))
    assert "executions version 1 is running" in line


def test_unknown_read_model_error_lists_the_known_ones(verb):
    for arguments in (("retry", "gone"), ("skip", "gone", "1", "--reason", "why", "--yes")):
        line = refused(verb("projections", *arguments))
        assert "no read model gone" in line
        assert "executions" in line


def test_a_skip_without_a_reason_is_a_usage_error(verb):
    assert verb("projections", "skip", "executions", "1", "--yes").returncode == 2
    assert "reason" in refused(
        verb("projections", "skip", "executions", "1", "--reason", " ", "--yes")
    )


def test_refused_command_records_no_event(verb):
    refused(verb("projections", "skip", "executions", "1", "--reason", "why", "--yes"))
    log = good(verb("events", "tail", "--after", "0", "--no-follow", "--json"))
    assert [json.loads(line)["type"] for line in log.splitlines()] == []


@pytest.fixture(scope="module")
def filled(postgres_run, template_database, tmp_path_factory):
    """A ledger with flows, a key and read models that are up to date; nobody applies any more."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        settings = {
            "FLOWLEDGER_DATABASE_URL": url,
            "FLOWLEDGER_SECRET_KEY": SECRET_KEY,
            "FLOWLEDGER_FLOWS": str(EXAMPLES),
        }
        verb = program(**settings)
        good(verb("migrate"))
        good(verb("flows", "load", str(EXAMPLES)))
        log = tmp_path_factory.mktemp("project") / "log"
        applying = Running(["project"], settings, log)
        head = json.loads(good(verb("projections", "list", "--json")))[0]["head"]
        applying.until(lambda: standing(verb) == {head})
        assert applying.stop() == 0
        yield verb, url


def standing(verb):
    rows = json.loads(good(verb("projections", "list", "--json")))
    return {row["position"] for row in rows}


def sql(url, statement):
    async def execute():
        connection = await asyncpg.connect(url)
        try:
            assert await connection.execute(statement) in {"UPDATE 1", "DELETE 1", "INSERT 0 1"}
        finally:
            await connection.close()

    asyncio.run(execute())


def test_read_model_that_matches_the_log_is_verified(filled):
    verb, _ = filled
    output = good(verb("projections", "verify", "workflows"))
    assert re.fullmatch(r"workflows version 1 at position \d+: \d+ rows agree\n", output)
    report = json.loads(good(verb("projections", "verify", "workflows", "--json")))
    assert (report["name"], report["version"], report["different"]) == ("workflows", 1, 0)
    assert [table["table"] for table in report["tables"]] == ["flows", "workflows"]


def test_verify_shows_both_values_of_a_manual_edit_and_exits_1(filled):
    verb, url = filled
    edit = (
        "update workflows_v1.flows set document = convert_to(replace(convert_from(document,"
        " 'utf8'), '\"retired\":{}', '\"retired\":{}'), 'utf8') where fullname = 'example.ETL'"
    )
    sql(url, edit.format("false", "true"))
    done = verb("projections", "verify", "workflows")
    report = json.loads(verb("projections", "verify", "workflows", "--json").stdout)
    sql(url, edit.format("true", "false"))

    assert done.returncode == 1
    assert "1 of " in done.stdout
    assert "fullname='example.ETL'" in done.stdout
    assert "document/retired: served true, the log says false" in done.stdout
    (row,) = report["tables"][0]["shown"]
    assert row["key"] == {"tenant": "default", "fullname": "example.ETL"}
    assert row["columns"][0]["shown"] == [{"path": "/retired", "left": "true", "right": "false"}]
    assert verb("projections", "verify", "workflows").returncode == 0


def test_verify_that_cannot_run_exits_2(filled):
    verb, _ = filled
    done = verb("projections", "verify", "gone")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no read model gone" in done.stderr
    away = program(
        FLOWLEDGER_DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/none",
        FLOWLEDGER_SECRET_KEY=SECRET_KEY,
    )
    assert away("projections", "verify", "executions").returncode == 2


def test_list_shows_lag_and_rate_in_a_table(filled):
    verb, _ = filled
    head, *rows = good(verb("projections", "list")).splitlines()
    assert head.split() == ["name", "version", "state", "position", "head", "lag", "behind", "rate"]
    assert len(rows) == 5
    assert re.fullmatch(r"dispatch +1\* +running +(\d+) +\1 +0 events +0\.0 s +0/s", rows[0])
