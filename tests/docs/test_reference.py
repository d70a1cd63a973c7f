"""Pages of reference say what the program does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from service.access import ALIASES, RIGHTS, Right
from service.cli import flowledger
from service.errors import InvalidSetting
from service.settings import Settings, read_settings
from tests.docs.pages import DOCS

SETTINGS = Path(read_settings.__code__.co_filename).read_text()
READ = set(re.findall(r'"(FLOWLEDGER_[A-Z0-9_]+)"', SETTINGS))
ROW = re.compile(r"^\| `(FLOWLEDGER_\w+)` \| (.*?) \| (.*?) \| (.*?) \| .+ \|$", re.MULTILINE)
ROWS = ROW.findall((DOCS / "reference" / "configuration.md").read_text())
EXAMPLES = [(name, example) for name, _, _, example in ROWS if example != "none"]
SECONDS = {
    "FLOWLEDGER_DATABASE_SILENCE",
    "FLOWLEDGER_DATABASE_TIMEOUT",
    "FLOWLEDGER_DRAIN",
    "FLOWLEDGER_ETLWORKS_TOKEN_LIFE",
    "FLOWLEDGER_GRACE",
    "FLOWLEDGER_KEEPALIVE",
    "FLOWLEDGER_READY_LAG",
    "FLOWLEDGER_WATCHDOG",
}


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
    assert bounded == set(re.findall(r'variables\.whole\(\s*"(\w+)"', SETTINGS))


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_example_is_accepted_and_is_not_the_default(name, example, monkeypatch):
    monkeypatch.chdir(DOCS.parent)
    given = read_settings({name: example.strip("`")})
    assert getattr(given, attribute(name)) != getattr(read_settings({}), attribute(name))


COMMAND = re.compile(r"^\| `([a-z]+(?: [a-z]+)?)((?: [^`]+)?)` \| (.*?) \| .+ \|$", re.MULTILINE)
CLI = (DOCS / "reference" / "cli.md").read_text()


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, *path, name)


def option(parameter: click.Option) -> list[str]:
    note = ""
    if parameter.required:
        note = " (required)"
    elif isinstance(parameter.default, str):
        note = f" (`{parameter.default}`)"
    elif isinstance(parameter.type, click.IntRange) and (parameter.type.max or 2**63) < 2**63 - 1:
        note = f" ({parameter.type.min} to {parameter.type.max})"
    return [f"`{name}`{note}" for name in (*parameter.opts, *parameter.secondary_opts)]


def argument(parameter: click.Argument) -> str:
    name = (parameter.name or "").upper() + ("..." if parameter.nargs < 0 else "")
    return f" {name}" if parameter.required else f" [{name}]"


def test_every_command_with_its_arguments_and_options_is_on_the_page_and_no_other():
    shown = {
        name: (arguments, [] if options == "none" else sorted(options.split(", ")))
        for name, arguments, options in COMMAND.findall(CLI)
    }
    assert shown == {
        name: (
            "".join(argument(each) for each in command.params if isinstance(each, click.Argument)),
            sorted(
                name
                for each in command.params
                if isinstance(each, click.Option)
                for name in option(each)
            ),
        )
        for name, command in commands(flowledger)
    }


def test_rights_of_each_role_are_those_of_the_program():
    page = (DOCS / "reference" / "roles.md").read_text()
    head, *rows = re.findall(r"^\| (?:role|`\w+`) \|.*\|$", page, re.MULTILINE)
    names = [cell.strip() for cell in head.strip("|").split("|")][1:]
    shown = {}
    for row in rows:
        role, *cells = [cell.strip() for cell in row.strip("|").split("|")]
        shown[role.strip("`")] = {
            name for name, cell in zip(names, cells, strict=True) if cell == "yes"
        }
    assert names == [right.value for right in Right]
    assert shown == {role: {right.value for right in rights} for role, rights in RIGHTS.items()}
    for alias, role in ALIASES.items():
        assert f"`{alias}` is another name for `{role}`" in page
