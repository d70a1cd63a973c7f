"""What authors of tasks import: the decorator, the report, and the failing statement.

>>> @task(name="EXTRACT")
... def extract(*args, **kwargs):
...     report.metric("rows", 2)
...     report.warn("one row has no date")
...     return kwargs["payload"]["file"]
>>> with reporting() as told:
...     extract(None, payload={"file": "orders.csv"}, workflow_id="1")
'orders.csv'
>>> told.warnings, told.metrics
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
"""Called with the previous result by position, ``payload`` and ``workflow_id`` by keyword."""

MetricValue = int | float | str | bool

MAX_WARNINGS: Final = 100
"""Warnings of one attempt that are kept; how many more there were is told in one line."""

MAX_METRICS: Final = 100
MAX_TEXT: Final = 1000
"""Characters kept of a warning, of a metric's name and of its text."""

_collected: ContextVar[dict[str, TaskFunction] | None] = ContextVar("collected", default=None)
_reporting: ContextVar[Report | None] = ContextVar("reporting", default=None)


class TaskLoadError(ServiceError):
    """A module of the tasks folder cannot be loaded."""

    code = "broken-tasks"

    def __init__(self, file: Path, line: int | None, reason: str) -> None:
        super().__init__(f"{file}:{line or 1}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class StatementError(Exception):
    """A statement of a task failed: its text, and its first line in its file."""

    def __init__(self, message: str, statement: str | None = None, line: int | None = None) -> None:
        # All three are the exception's arguments, so that it can be pickled.
        super().__init__(message, statement, line)
        self.message = message
        self.statement = statement
        self.line = line

    def __str__(self) -> str:
        return self.message


@dataclass(slots=True)
class Report:
    """What one attempt of a task told besides its result."""

    metrics: dict[str, MetricValue] = field(default_factory=dict)
    _warnings: list[str] = field(default_factory=list)
    _more: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings in order: at most `MAX_WARNINGS`, and a line on how many more there were."""
        more = (f"and {self._more} more warnings",) if self._more else ()
        return (*self._warnings, *more)

    def warn(self, text: str) -> None:
        """Keep a warning: the task, if it succeeds, succeeds with warnings."""
        if len(self._warnings) < MAX_WARNINGS:
            self._warnings.append(str(text)[:MAX_TEXT])
        else:
            self._more += 1

    def metric(self, name: str, value: MetricValue) -> None:
        """Keep a metric; the same name again replaces it.

        Raises:
            ValueError: the value is NaN or infinite, or there are more than `MAX_METRICS` names.

        """
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"metric {name!r} must be finite, not {value}")
        if len(self.metrics) >= MAX_METRICS and name not in self.metrics:
            raise ValueError(f"a task reports at most {MAX_METRICS} metrics")
        self.metrics[name[:MAX_TEXT]] = value[:MAX_TEXT] if isinstance(value, str) else value


class Reporter:
    """Tells the attempt that runs here; outside of one, as in an author's test, nothing is kept.

    A thread that a task starts by itself belongs to the attempt only within a copy of its context,
    as `asyncio.to_thread` makes it.
    """

    __slots__ = ()

    def warn(self, text: str) -> None:
        """Tell a warning."""
        if (current := _reporting.get()) is not None:
            current.warn(text)

    def metric(self, name: str, value: MetricValue) -> None:
        """Tell a metric: rows read, bytes written."""
        if (current := _reporting.get()) is not None:
            current.metric(name, value)


report: Final = Reporter()


@contextmanager
def reporting() -> Iterator[Report]:
    """Gather what the task called within tells."""
    told = Report()
    token = _reporting.set(told)
    try:
        yield told
    finally:
        _reporting.reset(token)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a task made with ``bind=True`` gets first, in place of Celery's task instance."""

    name: str


def task(
    *, name: str, bind: bool = False, **_celery_options: object
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Make a function a task that flows name as ``name``; it may be plain or ``async``.

    Celery's other options are accepted and have no effect, so that an existing tasks folder loads:
    retries and timeouts are the flow's to say.

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
        file, line = _place(function)
        where = ":".join(map(str, _place(other)))
        raise TaskLoadError(file, line, f"task {name!r} is defined twice, also at {where}")
    collected[name] = function


def _place(function: TaskFunction) -> tuple[Path, int]:
    code = inspect.unwrap(function).__code__
    return Path(code.co_filename), code.co_firstlineno


def load_tasks(folder: Path) -> dict[str, TaskFunction]:
    """Import every module of a tasks folder and its subfolders; the tasks found, by name.

    The folder needs no ``__init__.py`` and is not put on the path; its modules may import each
    other relatively. A folder is imported once a process; one that is not there holds no tasks.

    Raises:
        TaskLoadError: a module does not import, or two tasks have one name.

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
    # A package made by hand: it has the folder as its path, with or without an __init__.py in it.
    root = sys.modules[package] = ModuleType(package)
    root.__path__ = [str(folder)]
    importlib.invalidate_caches()
    for file in sorted(folder.rglob("*.py")):
        if file.stem == "__init__":
            continue  # as Celery Director does; those of subfolders come with their modules
        module = ".".join([package, *file.relative_to(folder).with_suffix("").parts])
        _import_module(module, file, folder)


def _import_module(module: str, file: Path, folder: Path) -> None:
    try:
        importlib.import_module(module)
    except TaskLoadError:
        raise
    except SyntaxError as error:
        raise TaskLoadError(Path(error.filename or file), error.lineno, error.msg) from error
    except (Exception, SystemExit) as error:  # an author's module may raise anything
        where, line = _raised_at(error, file, folder)
        raise TaskLoadError(where, line, _reason(error)) from error


def _raised_at(error: BaseException, file: Path, folder: Path) -> tuple[Path, int | None]:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(folder)]
    return (Path(own[-1].filename), own[-1].lineno) if own else (file, None)


def _reason(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name == "director":
        return f"{text} (write `from service.tasks import task` in place of `from director import`)"
    return text
