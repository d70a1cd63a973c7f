"""Every verb does its work beside the others, and says in one line why it does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest

from tests import postgres
from tests.cli.conftest import SECRET_KEY, program

EXAMPLES = Path(__file__).parents[2] / "examples"
OPENAPI = Path(__file__).parents[2] / "openapi.yaml"
PARTS = {
    "key_id",
    "tenant",
    "role",
    "token",
    "username",
    "password",
    "access_key",
    "secret_key",
}


def good(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done):
    """The one line on standard error that says why."""
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def create(verb, name="ops", role="operator"):
    return json.loads(
        good(verb("keys", "create", "--tenant", "t", "--role", role, "--name", name, "--json"))
    )


def test_new_key_is_printed_whole_only_once(verb):
    key = create(verb, "once")
    assert key.keys() == PARTS
    listed = good(verb("keys", "list", "--json"))
    assert key["key_id"] in listed
    for secret in ("token", "password", "secret_key"):
        assert key[secret] not in listed


def test_an_alias_of_a_role_is_the_role(verb):
    assert create(verb, "old word", "executer")["role"] == "operator"


def test_a_revoked_key_is_listed_as_revoked(verb):
    key = create(verb, "leaver")
    good(verb("keys", "revoke", key["key_id"], "--yes"))
    (row,) = [
        row
        for row in json.loads(good(verb("keys", "list", "--tenant", "t", "--json")))
        if row["key_id"] == key["key_id"]
    ]
    assert row["state"] == "revoked"


def test_revoke_asks_for_confirmation(verb):
    key = create(verb, "asked")
    done = verb("keys", "revoke", key["key_id"])
    assert done.returncode == 1
    assert "Revoke key" in done.stdout + done.stderr
    assert key["key_id"] in good(verb("keys", "list"))


def test_unknown_key_error_names_the_key(verb):
    assert "no key nobody" in refused(verb("keys", "revoke", "nobody", "--yes"))


def test_secrets_are_resealed_under_a_new_key_and_the_old_one_opens_nothing(
    postgres_run, template_database
):
    old, new = "ab" * 32, "cd" * 32
    with postgres.fresh_database(postgres_run, template_database) as url:
        before = program(FLOWLEDGER_DATABASE_URL=url, FLOWLEDGER_SECRET_KEY=old)
        create(before)
        after = program(
            FLOWLEDGER_DATABASE_URL=url,
            FLOWLEDGER_SECRET_KEY=new,
            FLOWLEDGER_OLD_SECRET_KEY=old,
        )
        assert "would reseal 1 secrets" in good(after("keys", "reseal", "--dry-run"))
        assert "FLOWLEDGER_SECRET_KEY" in refused(after("keys", "list"))
        assert "resealed 1 secrets" in good(after("keys", "reseal"))
        good(after("keys", "list"))
        assert "FLOWLEDGER_SECRET_KEY" in refused(before("keys", "list"))
        assert "FLOWLEDGER_OLD_SECRET_KEY is not set" in refused(before("keys", "reseal"))


def test_dry_run_lists_the_changes_of_a_load_and_makes_none(verb):
    output = good(verb("flows", "load", str(EXAMPLES), "--tenant", "dry", "--dry-run"))
    assert "add example.ETL (version 1)" in output
    assert "dry run" in output
    assert json.loads(good(verb("flows", "list", "--tenant", "dry", "--json"))) == []


def test_load_lists_its_additions_and_a_second_load_changes_nothing(verb):
    assert "add example.ETL" in good(verb("flows", "load", str(EXAMPLES), "--tenant", "twice"))
    again = good(verb("flows", "load", str(EXAMPLES), "--tenant", "twice"))
    assert "add" not in again
    assert "unchanged" in again


def test_every_flow_is_listed_with_every_vendors_ids(verb):
    good(verb("flows", "load", str(EXAMPLES), "--tenant", "ids"))
    flows = json.loads(good(verb("flows", "list", "--tenant", "ids", "--json")))
    assert "example.EXTERNAL" in {flow["fullname"] for flow in flows}
    for flow in flows:
        assert {"etlworks", "invision", "naver", "incorta"} <= flow["vendor_ids"].keys()


def test_broken_file_is_refused_by_line_and_registers_no_flow(verb, tmp_path):
    file = tmp_path / "flows.yaml"
    file.write_text("good.ONE:\n  executor: external\n  tasks: [A]\nnodot:\n  tasks: [A]\n")
    done = verb("flows", "load", str(file), "--tenant", "broken")
    assert done.returncode == 1
    assert f"{file}:4:" in done.stderr
    assert json.loads(good(verb("flows", "list", "--tenant", "broken", "--json"))) == []


def test_events_are_tailed_as_ndjson_and_shown_alone(verb):
    create(verb, "seen")
    lines = good(verb("events", "tail", "--after", "0", "--no-follow", "--json")).splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert json.loads(good(verb("events", "show", "1"))) == events[0]


def test_an_event_beyond_the_head_is_refused_with_the_head(verb):
    assert "position" in refused(verb("events", "show", "999999"))


def test_the_read_models_are_listed_with_their_lag(verb):
    rows = json.loads(good(verb("projections", "list", "--json")))
    names = {"dispatch", "executions", "listings", "load_plans", "workflows"}
    assert {row["name"] for row in rows} == names
    assert all({"position", "head", "lag_events", "lag_s", "state"} <= row.keys() for row in rows)


def test_the_openapi_document_is_the_committed_one(verb):
    assert good(verb("openapi")) == OPENAPI.read_text()


def test_migrating_again_does_nothing(verb):
    good(verb("migrate"))  # a copy lacks the rights on the database itself
    assert good(verb("migrate")) == "nothing to do\n"


def test_database_without_a_ledger_error_says_to_migrate(empty_database_url):
    verb = program(FLOWLEDGER_DATABASE_URL=empty_database_url, FLOWLEDGER_SECRET_KEY=SECRET_KEY)
    for arguments in (("keys", "list"), ("flows", "list"), ("serve",), ("events", "show", "1")):
        assert "migrate" in refused(verb(*arguments))


async def test_database_of_an_older_release_error_says_to_migrate(database_url):
    connection = await asyncpg.connect(database_url)
    await connection.execute("delete from projections.registry where name = 'listings'")
    await connection.close()
    verb = program(FLOWLEDGER_DATABASE_URL=database_url, FLOWLEDGER_SECRET_KEY=SECRET_KEY)
    line = refused(await asyncio.to_thread(verb, "serve"))
    assert "listings" in line
    assert "flowledger migrate" in line


@pytest.mark.parametrize("arguments", [("keys", "list"), ("serve",), ("migrate",)])
def test_unreachable_server_is_reported_in_one_line(arguments):
    verb = program(
        FLOWLEDGER_DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/none",
        FLOWLEDGER_SECRET_KEY=SECRET_KEY,
    )
    line = refused(verb(*arguments))
    assert "FLOWLEDGER_DATABASE_URL" in line
    assert "secret" not in line


def test_invalid_setting_is_named_in_the_error(ledger_url):
    verb = program(FLOWLEDGER_DATABASE_URL=ledger_url, FLOWLEDGER_PORT="eighty")
    assert "FLOWLEDGER_PORT" in refused(verb("serve"))


def test_work_without_a_flows_folder_is_refused(verb):
    assert "FLOWLEDGER_FLOWS" in refused(verb("work"))


def test_an_unknown_verb_is_a_usage_error(verb):
    assert verb("fly").returncode == 2


def test_missing_file_is_named_in_the_error(verb):
    assert "/no/such/file" in refused(verb("flows", "load", "/no/such/file"))
