"""Folders of flows, written by the tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.flows.definitions import load_definitions
from service.flows.errors import FlowLoadError

TASKS = """\
from service.tasks import task


def make(name):
    return task(name=name)(lambda *args, **kwargs: name)


for name in ("A", "B", "C", "D", "OK", "KO"):
    make(name)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the tasks A to D, OK and KO."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "letters.py").write_text(TASKS)
    return tmp_path


@pytest.fixture
def diagnostics(folder: Path) -> Callable[[str], list[tuple[int, str]]]:
    """Tells what is refused of a flows.yaml of this text: lines and reasons."""

    def of(text: str) -> list[tuple[int, str]]:
        (folder / "flows.yaml").write_text(text)
        with pytest.raises(FlowLoadError) as raised:
            load_definitions(folder)
        assert {d.file for d in raised.value.diagnostics} == {str(folder / "flows.yaml")}
        return [(d.line, d.message) for d in raised.value.diagnostics]

    return of
