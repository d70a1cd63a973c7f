"""The real program behind Debian's PgBouncer: it serves, or refuses to start with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.ledger import Client, Ledger
from tests.kit.pgbouncer import pgbouncer


async def test_two_processes_migrate_serve_execute_and_list_through_whole_sessions(
    empty_database_url: str, tmp_path: Path
) -> None:
    with pgbouncer(empty_database_url) as url:
        ledger = Ledger(url, tmp_path)
        try:
            ledger.set_up()
            one, two = await ledger.serve(), await ledger.serve()
            async with Client(ledger, one) as first, Client(ledger, two) as second:
                started = await first.start("example.RANDOMS")
                run = await second.run(started["run_id"])
                assert run["flow"]["fullname"] == "example.RANDOMS"
                assert (await second.ended(started["run_id"]))["status"] == "succeeded"
                listed = await second.api("GET", "/v1/runs")
                assert [run["run_id"] for run in listed["runs"]] == [started["run_id"]]
            assert [one.stop(), two.stop()] == [0, 0]
        finally:
            ledger.close()


@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
@pytest.mark.parametrize("verb", ["serve", "work", "project", "migrate"])
def test_start_through_shared_sessions_is_refused_with_the_cure(
    database_url: str, tmp_path: Path, pool_mode: str, verb: str
) -> None:
    with pgbouncer(database_url, pool_mode) as url:
        refused = Ledger(url, tmp_path).attempt(verb, timeout_s=30)
    assert refused.returncode == 1
    assert "set pool_mode = session for this database" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "check FLOWLEDGER_DATABASE_URL" not in refused.stderr
