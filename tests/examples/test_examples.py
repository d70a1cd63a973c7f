"""The example flows do real work on the files that are committed with them."""

import asyncio
import inspect
import os
import sqlite3
import tempfile
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from events.database import connect
from projections.documents.flow import PlanGroup, PlanSchema, PlanTable, PlanTask
from service.executors.executor import Work
from service.executors.in_process import InProcess
from service.flows.definitions import FlowDefinition, load_definitions
from service.tasks import Report, StatementError, load_tasks, reporting

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The examples' temporary folders lie in the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def flows() -> dict[str, FlowDefinition]:
    return {flow.fullname: flow for flow in load_definitions(EXAMPLES)}


def test_next_run_deletes_files_left_by_runs_a_day_ago(temporary, flows):
    Run().run(flows["example.ETL"], {})
    (young,) = temporary.iterdir()
    old, others = temporary / f"{young.name}-old", temporary / "others"
    for folder in (old, others):
        (folder / "in").mkdir(parents=True)
        os.utime(folder, (0, 0))
    Run().run(flows["example.ETL"], {})
    assert not old.exists()
    assert young.exists()
    assert others.exists()


@dataclass
class Run:
    results: dict[str, Any] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)

    def run(self, flow: FlowDefinition, payload: dict[str, Any]) -> "Run":
        for task in flow.plan.tasks:
            if task.hook is None:
                self._task(task, payload)
        return self

    def _task(self, task: PlanTask, payload: dict[str, Any]) -> None:
        before = [self.results[path] for path in task.previous]
        argument = before if len(before) > 1 else next(iter(before), None)
        with reporting() as self.reports[task.path]:
            result = load_tasks(EXAMPLES / "tasks")[task.key](
                argument, payload=payload, workflow_id="3f1c"
            )
            self.results[task.path] = asyncio.run(result) if inspect.isawaitable(result) else result


def rows(database: str, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_etl_loads_every_row_of_the_csv_and_counts_it(flows):
    run = Run().run(flows["example.ETL"], {})
    assert [report.metrics for report in run.reports.values()] == [
        {"rows_read": 344},
        {"rows_transformed": 344, "rows_incomplete": 11},
        {"rows_loaded": 344},
    ]
    assert run.results["LOAD"]["rows"] == 344
    assert rows(
        run.results["LOAD"]["target"],
        "select count(*), sum(body_mass_g), count(sex) from penguins",
    ) == [(344, 1437000, 333)]


async def test_etl_loads_into_the_postgres_that_the_worker_names(
    flows, empty_database_url, monkeypatch
):
    monkeypatch.setenv("EXAMPLES_POSTGRES_URL", empty_database_url)
    load = Run().run
    for _ in range(2):
        await asyncio.to_thread(load, flows["example.ETL"], {"target": "postgres"})
    connection = await connect(empty_database_url, role=None)
    try:
        assert await connection.fetchval("select count(*) from penguins") == 344
    finally:
        await connection.close()


def test_etl_into_postgres_names_a_missing_variable(flows, monkeypatch):
    monkeypatch.delenv("EXAMPLES_POSTGRES_URL", raising=False)
    with pytest.raises(LookupError, match="EXAMPLES_POSTGRES_URL must name the Postgres"):
        Run().run(flows["example.ETL"], {"target": "postgres"})


def test_concurrent_runs_use_separate_files(flows):
    runs = [Run() for _ in range(4)]
    threads = [
        threading.Thread(target=run.run, args=(flows[name], {}))
        for run, name in zip(runs, ["example.ETL", "example.PLAN"] * 2, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.results["LOAD"]["rows"] for run in runs[::2]] == [344, 344]
    assert [run.results["FIELDWORK/LOAD_PENGUINS"]["rows"] for run in runs[1::2]] == [344, 344]


def test_randoms_adds_what_the_group_drew(flows):
    run = Run().run(flows["example.RANDOMS"], {"start": 5, "end": 5})
    assert run.results == {"GROUP_RANDOMS/RANDOM": 5, "GROUP_RANDOMS/RANDOM#2": 5, "ADD": 10}


def test_fail_fails_on_the_bad_row_with_its_statement_and_line(flows):
    with pytest.raises(StatementError) as raised:
        Run().run(flows["example.FAIL"], {})
    script = (EXAMPLES / "tasks/sql/load_strict.sql").read_text().splitlines()
    assert str(raised.value) == ("row 4: NOT NULL constraint failed: weighed_penguins.body_mass_g")
    assert raised.value.statement.startswith("insert into weighed_penguins")
    assert script[raised.value.line - 1] == raised.value.statement.splitlines()[0]


def test_warn_warns_of_each_incomplete_row(flows):
    report = Run().run(flows["example.WARN"], {}).reports["CHECK_MEASUREMENTS"]
    assert len(report.warnings) == 11
    assert report.warnings[0] == (
        "row 4, N2A2: no Culmen Length (mm), Flipper Length (mm), Body Mass (g), Sex"
    )
    assert report.metrics == {"rows_checked": 344, "rows_incomplete": 11}


def test_slow_sleeps_for_the_seconds_in_the_payload(flows):
    assert Run().run(flows["example.SLOW"], {"sleep": 0}).results == {"SLOW": 0}


async def test_slow_is_cancelled_at_once():
    slow = load_tasks(EXAMPLES / "tasks")["SLOW"]
    sleeping = asyncio.create_task(slow(None, payload={"sleep": 3600}, workflow_id="3f1c"))
    await asyncio.sleep(0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping


def test_plan_loads_its_seven_tables(flows):
    run = Run().run(flows["example.PLAN"], {})
    loaded = {path: result.get("rows") for path, result in run.results.items()}
    assert loaded == {
        "CREATE_DATABASE": None,
        "REFERENCE/PLACES/LOAD_REGIONS": 1,
        "REFERENCE/PLACES/LOAD_ISLANDS": 3,
        "REFERENCE/TAXONOMY/LOAD_SPECIES": 3,
        "REFERENCE/TAXONOMY/LOAD_SEXES": 2,
        "FIELDWORK/LOAD_STUDIES": 3,
        "FIELDWORK/LOAD_PENGUINS": 344,
        "FIELDWORK/LOAD_ISOTOPES": 330,
    }
    database = run.results["CREATE_DATABASE"]["database"]
    assert rows(database, "pragma foreign_key_check") == []
    assert rows(database, "select latin from species order by name") == [
        ("Pygoscelis adeliae",),
        ("Pygoscelis antarctica",),
        ("Pygoscelis papua",),
    ]


def test_plan_shows_two_groups_three_schemas_and_seven_tables(flows):
    assert flows["example.PLAN"].plan.groups == (
        PlanGroup(
            "Group 1",
            (
                PlanSchema(
                    "Places",
                    (
                        PlanTable("Places.regions", "REFERENCE/PLACES/LOAD_REGIONS"),
                        PlanTable("Places.islands", "REFERENCE/PLACES/LOAD_ISLANDS"),
                    ),
                ),
                PlanSchema(
                    "Taxonomy",
                    (
                        PlanTable("Taxonomy.species", "REFERENCE/TAXONOMY/LOAD_SPECIES"),
                        PlanTable("Taxonomy.sexes", "REFERENCE/TAXONOMY/LOAD_SEXES"),
                    ),
                ),
            ),
        ),
        PlanGroup(
            "Group 2",
            (
                PlanSchema(
                    "Fieldwork",
                    (
                        PlanTable("Fieldwork.studies", "FIELDWORK/LOAD_STUDIES"),
                        PlanTable("Fieldwork.penguins", "FIELDWORK/LOAD_PENGUINS"),
                        PlanTable("Fieldwork.isotopes", "FIELDWORK/LOAD_ISOTOPES"),
                    ),
                ),
            ),
        ),
    )


def test_external_is_one_task_run_elsewhere(flows):
    flow = flows["example.EXTERNAL"]
    assert (flow.executor, flow.plan.tasks) == ("external", (PlanTask("TRANSFER", "TRANSFER"),))


def test_hooks_have_a_task_for_each_outcome(flows, capsys):
    flow = flows["example.HOOKS"]
    tasks = load_tasks(EXAMPLES / "tasks")
    hooks = [task for task in flow.plan.tasks if task.hook is not None]
    for hook in hooks:
        tasks[hook.key](payload={}, workflow_id="3f1c")
    assert [hook.path for hook in hooks] == ["@success/ANNOUNCE", "@failure/ALARM"]
    assert capsys.readouterr().out == "run 3f1c succeeded\nrun 3f1c failed\n"


def test_hooks_fail_when_the_payload_asks(flows):
    with pytest.raises(RuntimeError, match="as the payload asks"):
        Run().run(flows["example.HOOKS"], {"fail": True})


async def test_command_counts_the_lines_of_the_csv(flows):
    (task,) = flows["example.COMMAND"].plan.tasks
    executor = InProcess(EXAMPLES, slots=1)
    try:
        result = await executor.execute(Work("3f1c", task, 1, (None,), {}))
    finally:
        await executor.close()
    assert (result.failure, result.log.split()) == (None, ["345", "penguins_raw.csv"])


def test_example_files_have_no_absolute_path():
    texts = [file for file in EXAMPLES.rglob("*") if file.suffix in {".py", ".yaml", ".sql"}]
    assert texts
    for file in texts:
        assert str(EXAMPLES.parent) not in file.read_text(encoding="utf-8"), file
