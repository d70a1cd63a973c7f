"""The API for authors of tasks: the decorator, reports, and errors of statements.

>>> @task(name="EXTRACT")
... def extract(*args, **kwargs):
...     report.metric("rows", 2)
...     report.warn("one row has no date")
...     return kwargs["payload"]["file"]
>>> with reporting() as task_report:
...     extract(None, payload={"file": "orders.csv"}, workflow_id="1")
'orders.csv'
>>> task_report.warnings, task_report.metrics
(('one row has no date',), {'rows': 2})
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, partial, wraps
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Final, ParamSpec, TypeVar

from service.errors import ServiceError

P = ParamSpec("P")
R = TypeVar("R")

TaskFunction = Callable[..., Any]
"""Takes the previous result by position, ``payload`` and ``workflow_id`` by keyword."""

MetricValue = int | float | str | bool

MAX_WARNINGS: Final = 100
"""Warnings kept of one attempt; a last line counts the rest."""

MAX_METRICS: Final = 100
MAX_TEXT: Final = 1000
"""Characters kept of a warning, a metric's name and a metric's text."""

_collected: ContextVar[dict[str, TaskFunction] | None] = ContextVar("collected", default=None)
_reporting: ContextVar[Report | None] = ContextVar("reporting", default=None)


class TaskLoadError(ServiceError):
    """A module in the tasks folder fails to load."""

    code = "broken-tasks"

    def __init__(self, file: Path, line: int | None, reason: str) -> None:
        super().__init__(f"{file}:{line or 1}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class StatementError(Exception):
    """A statement of a task failed; ``line`` is its first line in its file."""

    def __init__(self, message: str, statement: str | None = None, line: int | None = None) -> None:
        # Unpickling passes `args` to __init__, so they must be all three.
        super().__init__(message, statement, line)
        self.message = message
        self.statement = statement
        self.line = line

    def __str__(self) -> str:
        return self.message


@dataclass(slots=True)
class Report:
    """The warnings and metrics of one attempt of a task."""

    metrics: dict[str, MetricValue] = field(default_factory=dict)
    _warnings: list[str] = field(default_factory=list)
    _dropped: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """The first `MAX_WARNINGS` warnings in order, then a line that counts the rest."""
        rest = (f"and {self._dropped} more warnings",) if self._dropped else ()
        return (*self._warnings, *rest)

    def warn(self, text: str) -> None:
        """Add a warning: a task that succeeds then ends as succeeded with warnings."""
        if len(self._warnings) < MAX_WARNINGS:
            self._warnings.append(str(text)[:MAX_TEXT])
        else:
            self._dropped += 1

    def metric(self, name: str, value: MetricValue) -> None:
        """Set a metric, replacing an earlier value of the same name.

        Raises:
            ValueError: the value is NaN or infinite, or there are more than `MAX_METRICS` names.

        """
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"metric {name!r} must be finite, not {value}")
        if len(self.metrics) >= MAX_METRICS and name not in self.metrics:
            raise ValueError(f"a task reports at most {MAX_METRICS} metrics")
        self.metrics[name[:MAX_TEXT]] = value[:MAX_TEXT] if isinstance(value, str) else value


class Reporter:
    """Adds to the report of the attempt that runs here; without one, calls have no effect.

    So authors' tests can call tasks directly. A thread started by a task needs a copy of its
    context, as `asyncio.to_thread` makes, for its calls to count.
    """

    __slots__ = ()

    def warn(self, text: str) -> None:
        """Add a warning."""
        if (current := _reporting.get()) is not None:
            current.warn(text)

    def metric(self, name: str, value: MetricValue) -> None:
        """Set a metric, such as rows read or bytes written."""
        if (current := _reporting.get()) is not None:
            current.metric(name, value)


report: Final = Reporter()


@contextmanager
def reporting() -> Iterator[Report]:
    """Collect the reports of tasks called in the block."""
    task_report = Report()
    token = _reporting.set(task_report)
    try:
        yield task_report
    finally:
        _reporting.reset(token)


@dataclass(frozen=True, slots=True)
class Bound:
    """The first argument of a task with ``bind=True``, in place of Celery's task instance."""

    name: str


def task(
    *, name: str, bind: bool = False, **_celery_options: object
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Register a function, plain or ``async``, as the task ``name``.

    Celery's other options are accepted and have no effect, so that an existing tasks folder loads.
    Retries and timeouts are set in the flow.

    Source: Celery Director, docs/guides/write-tasks.md.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        callee = wraps(function)(partial(function, Bound(name))) if bind else function
        if (collected := _collected.get()) is not None:
            _collect(collected, name, callee)
        return callee

    return decorate


def _collect(collected: dict[str, TaskFunction], name: str, function: TaskFunction) -> None:
    if (other := collected.get(name)) is not None:
        file, line = _source_of(function)
        where = ":".join(map(str, _source_of(other)))
        raise TaskLoadError(file, line, f"task {name!r} is defined twice, also at {where}")
    collected[name] = function


def _source_of(function: TaskFunction) -> tuple[Path, int]:
    code = inspect.unwrap(function).__code__
    return Path(code.co_filename), code.co_firstlineno


def load_tasks(folder: Path) -> dict[str, TaskFunction]:
    """Import all modules of a tasks folder and its subfolders; returns the tasks by name.

    The folder needs no ``__init__.py`` and is not added to the import path; its modules may import
    each other relatively. A folder is imported once per process; a missing one has no tasks.

    Raises:
        TaskLoadError: a module fails to import, or two tasks have the same name.

    """
    return dict(_load(folder.resolve()))


@cache
def _load(folder: Path) -> dict[str, TaskFunction]:
    collected: dict[str, TaskFunction] = {}
    token = _collected.set(collected)
    package = f"flowledger_tasks_{sha256(str(folder).encode()).hexdigest()[:12]}"
    try:
        _import_folder(folder, package)
    except BaseException:
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            del sys.modules[name]
        raise
    finally:
        _collected.reset(token)
    return collected


def _import_folder(folder: Path, package: str) -> None:
    # A synthetic package with the folder as its path works with or without an __init__.py.
    root = sys.modules[package] = ModuleType(package)
    root.__path__ = [str(folder)]
    importlib.invalidate_caches()
    for file in sorted(folder.rglob("*.py")):
        if file.stem == "__init__":
            continue  # as Celery Director does; those of subfolders are imported with their modules
        module = ".".join([package, *file.relative_to(folder).with_suffix("").parts])
        _import_module(module, file, folder)


def _import_module(module: str, file: Path, folder: Path) -> None:
    try:
        importlib.import_module(module)
    except TaskLoadError:
        raise
    except SyntaxError as error:
        raise TaskLoadError(Path(error.filename or file), error.lineno, error.msg) from error
    except (Exception, SystemExit) as error:  # a task module may raise anything
        where, line = _raised_at(error, file, folder)
        raise TaskLoadError(where, line, _reason(error)) from error


def _raised_at(error: BaseException, file: Path, folder: Path) -> tuple[Path, int | None]:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(folder)]
    return (Path(own[-1].filename), own[-1].lineno) if own else (file, None)


def _reason(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name == "director":
        return f"{text} (in Flowledger: `from service.tasks import task`)"
    return text
