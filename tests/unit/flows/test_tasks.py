"""Authors write tasks as for Celery Director, and tell what the ledger should know."""

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


def test_a_folder_that_is_a_package_works_too(tmp_path):
    (tmp_path / "__init__.py").write_text("")
    write(
        tmp_path, names="NAME = 'A'\n", one="from .names import NAME\n" + "task(name=NAME)(print)"
    )
    assert load_tasks(tmp_path) == {"A": print}


def test_a_folder_that_is_not_there_holds_no_tasks(tmp_path):
    assert load_tasks(tmp_path / "tasks") == {}


def test_a_folder_is_imported_once_and_apart_from_others(tmp_path):
    first = write(tmp_path / "x", one=named("A"))
    second = write(tmp_path / "y", one=named("A"))
    assert load_tasks(first)["A"] is load_tasks(first)["A"]
    assert load_tasks(first)["A"] is not load_tasks(second)["A"]


def test_tasks_made_in_a_loop_are_found(tmp_path):
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
            "No module named 'director' (write `from service.tasks import task` in place of",
        ),
    ],
)
def test_a_module_that_does_not_import_is_refused_with_file_and_line(tmp_path, text, line, reason):
    write(tmp_path, one=text)
    with pytest.raises(TaskLoadError) as broken:
        load_tasks(tmp_path)
    assert (broken.value.file, broken.value.line) == (tmp_path / "one.py", line)
    assert reason in broken.value.reason


def test_a_broken_folder_leaves_nothing_behind_and_can_be_mended(tmp_path):
    write(tmp_path, one=named("A"), two="1 / 0\n")
    before = set(sys.modules)
    with pytest.raises(TaskLoadError):
        load_tasks(tmp_path)
    assert set(sys.modules) == before
    (tmp_path / "two.py").unlink()
    assert sorted(load_tasks(tmp_path)) == ["A"]


def test_two_tasks_of_one_name_are_refused_with_both_places(tmp_path):
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


def test_what_a_task_reports_is_gathered_and_can_be_sent_on():
    with reporting() as told:
        report.warn("one row is odd")
        report.metric("rows", 1)
        report.metric("rows", 2)
    assert (told.warnings, told.metrics) == (("one row is odd",), {"rows": 2})
    assert pickle.loads(pickle.dumps(told)) == told


def test_outside_of_a_run_a_report_goes_nowhere():
    report.warn("nobody listens")
    report.metric("rows", 1)
    with reporting() as told:
        pass
    assert told == Report()


def test_warnings_beyond_the_bound_are_counted():
    told = Report()
    for _ in range(MAX_WARNINGS + 3):
        told.warn("x" * (MAX_TEXT + 1))
    assert told.warnings == ("x" * MAX_TEXT,) * MAX_WARNINGS + ("and 3 more warnings",)


def test_metrics_are_bounded_and_finite():
    told = Report()
    for number in range(MAX_METRICS):
        told.metric(str(number), number)
    told.metric("0", "again")
    with pytest.raises(ValueError, match="at most 100 metrics"):
        told.metric("more", 1)
    with pytest.raises(ValueError, match="metric '0' must be finite, not nan"):
        told.metric("0", float("nan"))
    assert len(told.metrics) == MAX_METRICS


def test_a_failing_statement_comes_through_a_process_boundary():
    error = pickle.loads(pickle.dumps(StatementError("no", statement="select 1", line=7)))
    assert (str(error), error.statement, error.line) == ("no", "select 1", 7)
