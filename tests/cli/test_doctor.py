"""`flowledger doctor`, as an operator runs it."""

from __future__ import annotations

import json

from tests.cli.conftest import SECRET_KEY, Verb, program


def test_doctor_prints_findings_and_ends_with_status_0_where_none_is_an_error(verb: Verb) -> None:
    assert verb("migrate").returncode == 0  # a copied database lacks the rights on itself
    done = verb("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("ok       database       it answers\n")
    assert "errors: 0, " in done.stdout
    assert done.stderr == ""


def test_doctor_names_the_cure_and_ends_with_status_1_for_an_error(ledger_url: str) -> None:
    done = program(FLOWLEDGER_DATABASE_URL=ledger_url)("doctor")
    assert done.returncode == 1
    assert "error    credentials    FLOWLEDGER_SECRET_KEY is not set\n" in done.stdout
    assert " cure: set the key that this ledger's keys were made under" in done.stdout


def test_doctor_prints_one_json_object_also_without_a_database() -> None:
    away = "postgresql://nobody:x@127.0.0.1:1/none"
    done = program(FLOWLEDGER_DATABASE_URL=away, FLOWLEDGER_SECRET_KEY=SECRET_KEY)(
        "doctor", "--json"
    )
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report.keys() == {"level", "findings", "not_checked"}
    assert [each["check"] for each in report["findings"]] == ["database"]
    assert report["findings"][0].keys() == {"check", "level", "text", "cure"}
    assert "events" in report["not_checked"]


def test_doctor_makes_no_embedded_ledger_where_there_is_none(tmp_path) -> None:
    home = tmp_path / "home"
    done = program(FLOWLEDGER_HOME=str(home))("doctor")
    assert done.returncode == 1
    assert "has no embedded Postgres" in done.stdout
    assert not home.exists()
