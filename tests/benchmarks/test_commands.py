"""Each piece is kept with the command line that measures it by itself."""

import shlex

import pytest
from click.testing import CliRunner

from tests.benchmarks import __main__ as programme


@pytest.fixture
def told(monkeypatch):
    """Command lines of what would have been measured."""
    lines = []
    monkeypatch.setattr(programme, "_measure", lambda _work: lines.append(programme._command()))
    monkeypatch.setattr(programme.page, "write", lambda _kept: lines.append("the page"))
    return lines


def call(line):
    return CliRunner().invoke(programme.main, shlex.split(line), catch_exceptions=False)


@pytest.mark.parametrize(
    "line",
    [
        "http",
        "http start 'list deep' -c 1 -c 64 --filled 1000 --seconds 0.5 --peers",
        "append -c 256 --rounds 1",
        "rebuild --peers",
        "growth --large",
    ],
)
def test_a_verb_tells_how_it_was_called(told, line):
    assert call(line).exit_code == 0
    assert told == [f"python -m tests.benchmarks {line}"]


def test_all_of_them_at_once_tell_how_each_is_called_by_itself(told):
    assert call("all --seconds 1 --rounds 2 --peers").exit_code == 0
    assert told[0].endswith(
        "http start status 'status of many' 'status of Etlworks' cancel"
        " --seconds 1.0 --rounds 2 --peers"
    )
    assert "python -m tests.benchmarks append --seconds 1.0 --rounds 2 --peers" in told
    assert "python -m tests.benchmarks credential" in told
    assert told[-1] == "the page"
    for line in told[:-1]:
        again = told.copy()
        call(line.removeprefix("python -m tests.benchmarks "))
        assert told == [*again, line]
        told.pop()
