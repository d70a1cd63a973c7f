"""Pages of reference say what the program does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from service.errors import InvalidSetting
from service.settings import Settings, read_settings
from tests.docs.pages import DOCS

SETTINGS = Path(read_settings.__code__.co_filename).read_text()
READ = set(re.findall(r'"(FLOWLEDGER_[A-Z0-9_]+)"', SETTINGS))
ROW = re.compile(r"^\| `(FLOWLEDGER_\w+)` \| (.*?) \| (.*?) \| (.*?) \| .+ \|$", re.MULTILINE)
ROWS = ROW.findall((DOCS / "reference" / "configuration.md").read_text())
EXAMPLES = [(name, example) for name, _, _, example in ROWS if example != "none"]
SECONDS = {"FLOWLEDGER_GRACE", "FLOWLEDGER_ETLWORKS_TOKEN_LIFE"}


def attribute(setting: str) -> str:
    return setting.removeprefix("FLOWLEDGER_").lower() + ("_s" if setting in SECONDS else "")


def test_every_setting_is_on_the_page_once_and_no_other():
    names = [name for name, *_ in ROWS]
    assert sorted(names) == sorted(READ)
    assert {attribute(name) for name in names} == {field.name for field in fields(Settings)}


@pytest.mark.parametrize(("name", "default"), [row[:2] for row in ROWS])
def test_default_is_that_of_the_program(name, default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = getattr(read_settings({}), attribute(name))
    if name == "FLOWLEDGER_HOME":
        value = value.relative_to(tmp_path)
    assert default.strip("`") == written(value)


def written(value: object) -> str:
    match value:
        case None | frozenset():
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


@pytest.mark.parametrize(("name", "values"), [(name, values) for name, _, values, _ in ROWS])
def test_bounds_are_those_of_the_program(name, values):
    bounds = re.match(r"(-?\d+) to (\d+)\b", values)
    if not bounds:
        return
    low, high = map(int, bounds.groups())
    for value in (low, high):
        assert getattr(read_settings({name: str(value)}), attribute(name)) == value
    for value in (low - 1, high + 1):
        with pytest.raises(InvalidSetting, match=name):
            read_settings({name: str(value)})


def test_every_number_has_bounds_on_the_page():
    bounded = {name for name, _, values, _ in ROWS if re.match(r"-?\d+ to \d+", values)}
    assert bounded == set(re.findall(r'given\.whole\(\s*"(\w+)"', SETTINGS))


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_example_is_accepted_and_is_not_the_default(name, example, monkeypatch):
    monkeypatch.chdir(DOCS.parent)
    given = read_settings({name: example.strip("`")})
    assert getattr(given, attribute(name)) != getattr(read_settings({}), attribute(name))
