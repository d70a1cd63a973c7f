"""Tasks are written as for Celery Director, and report to the ledger."""

import inspect
import pickle
import sys
from pathlib import Path

import pytest

from service.tasks import (
    MAX_METRICS,
    MAX_TEXT,
    MAX_WARNINGS,
    Report,
    StatementError,
    TaskLoadError,
    load_tasks,
    report,
    reporting,
    task,
)

IMPORT = "from service.tasks import task\n"


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(IMPORT + text)
    return folder


def named(name: str) -> str:
    return f"@task(name={name!r})\ndef f(*args, **kwargs):\n    return {name!r}\n"


def test_tasks_of_all_modules_and_subfolders_are_found(tmp_path):
    write(tmp_path, one=named("A"), sub__two=named("B"), sub__deep__three=named("C"))
    assert sorted(load_tasks(tmp_path)) == ["A", "B", "C"]


def test_folder_that_is_a_package_works(tmp_path):
    (tmp_path / "__init__.py").write_text("")
    write(
        tmp_path, names="NAME = 'A'\n", one="from .names import NAME\n" + "task(name=NAME)(print)"
    )
    assert load_tasks(tmp_path) == {"A": print}


def test_missing_folder_has_no_tasks(tmp_path):
    assert load_tasks(tmp_path / "tasks") == {}


def test_folder_is_imported_once_and_isolated_from_others(tmp_path):
    first = write(tmp_path / "x", one=named("A"))
    second = write(tmp_path / "y", one=named("A"))
    assert load_tasks(first)["A"] is load_tasks(first)["A"]
    assert load_tasks(first)["A"] is not load_tasks(second)["A"]


def test_tasks_created_in_a_loop_are_found(tmp_path):
    write(tmp_path, one="for n in 'AB':\n    task(name=n)(lambda *args, **kwargs: None)\n")
    assert sorted(load_tasks(tmp_path)) == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("def f(:\n", 2, "invalid syntax"),
        ("import nowhere\n", 2, "ModuleNotFoundError: No module named 'nowhere'"),
        ("\nraise SystemExit(3)\n", 3, "SystemExit: 3"),
        ("@task\ndef f(): ...\n", 2, "TypeError: task() takes 0 positional arguments"),
        (
            "from director import task\n",
            2,
            "No module named 'director' (in Flowledger: `from service.tasks import task`)",
        ),
    ],
)
def test_module_that_fails_to_import_is_refused_with_file_and_line(tmp_path, text, line, reason):
    write(tmp_path, one=text)
    with pytest.raises(TaskLoadError) as broken:
        load_tasks(tmp_path)
    assert (broken.value.file, broken.value.line) == (tmp_path / "one.py", line)
    assert reason in broken.value.reason


def test_broken_folder_loads_after_it_is_fixed(tmp_path):
    write(tmp_path, one=named("A"), two="1 / 0\n")
    before = set(sys.modules)
    with pytest.raises(TaskLoadError):
        load_tasks(tmp_path)
    assert set(sys.modules) == before
    (tmp_path / "two.py").unlink()
    assert sorted(load_tasks(tmp_path)) == ["A"]


def test_duplicate_task_name_is_refused_with_both_locations(tmp_path):
    write(tmp_path, one=named("A"), two=named("A"))
    with pytest.raises(TaskLoadError) as broken:
        load_tasks(tmp_path)
    assert str(broken.value) == (
        f"{tmp_path}/two.py:2: task 'A' is defined twice, also at {tmp_path}/one.py:2"
    )


async def test_async_tasks_stay_async_also_when_bound():
    @task(name="A", bind=True, max_retries=3, queue="q")
    async def bound(self, *args, **kwargs):
        return self.name, args, kwargs

    assert inspect.iscoroutinefunction(bound)
    assert await bound(1, payload={}, workflow_id="7") == (
        "A",
        (1,),
        {"payload": {}, "workflow_id": "7"},
    )


def test_reports_of_a_task_are_collected_and_can_be_pickled():
    with reporting() as task_report:
        report.warn("one row is odd")
        report.metric("rows", 1)
        report.metric("rows", 2)
    assert (task_report.warnings, task_report.metrics) == (("one row is odd",), {"rows": 2})
    assert pickle.loads(pickle.dumps(task_report)) == task_report


def test_report_outside_a_run_has_no_effect():
    report.warn("nobody listens")
    report.metric("rows", 1)
    with reporting() as task_report:
        pass
    assert task_report == Report()


def test_warnings_beyond_the_bound_are_counted():
    task_report = Report()
    for _ in range(MAX_WARNINGS + 3):
        task_report.warn("x" * (MAX_TEXT + 1))
    assert task_report.warnings == ("x" * MAX_TEXT,) * MAX_WARNINGS + ("and 3 more warnings",)


def test_metrics_are_bounded_and_finite():
    task_report = Report()
    for number in range(MAX_METRICS):
        task_report.metric(str(number), number)
    task_report.metric("0", "again")
    with pytest.raises(ValueError, match="at most 100 metrics"):
        task_report.metric("more", 1)
    with pytest.raises(ValueError, match="metric '0' must be finite, not nan"):
        task_report.metric("0", float("nan"))
    assert len(task_report.metrics) == MAX_METRICS


def test_statement_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(StatementError("no", statement="select 1", line=7)))
    assert (str(error), error.statement, error.line) == ("no", "select 1", 7)
