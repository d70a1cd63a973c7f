"""What mypy does not see of the types of bodies: that they are named, and what `get` asks for."""

import ast
from pathlib import Path
from typing import is_typeddict

import pytest

from events import bodies

ROOT = Path(__file__).parents[2]
FILES = [
    file.relative_to(ROOT).as_posix()
    for package in ("events", "projections", "service")
    for file in sorted((ROOT / package).rglob("*.py"))
]
FOLDS = [
    "service/runs/domain/state.py",
    "service/runs/domain/transitions.py",
    *(file for file in FILES if file.startswith("projections/documents/")),
    *(file for file in FILES if file.endswith("/apply.py")),
]


def walk(file):
    return ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))


def is_data(node):
    return isinstance(node, ast.Attribute) and node.attr == "data"


def untyped_reads(file):
    for node in walk(file):
        if isinstance(node, ast.Subscript) and is_data(node.value):
            yield node.lineno
        if isinstance(node, ast.Attribute) and node.attr == "get" and is_data(node.value):
            yield node.lineno


def bodies_named(file):
    """The names that a file gives a type of `events.bodies`."""
    for node in walk(file):
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as type_):
                pass
            case ast.AnnAssign(target=ast.Name(name), annotation=type_):
                pass
            case _:
                continue
        if any(isinstance(n, ast.Name) and hasattr(bodies, n.id) for n in ast.walk(type_)):
            yield name


def asked_for(file):
    """What a file asks bodies for by `get` and `in`, where mypy lets any text pass."""
    names = set(bodies_named(file))
    for node in walk(file):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(body), attr="get"),
                args=[ast.Constant(str(asked)), *_],
            ):
                pass
            case ast.Compare(
                left=ast.Constant(str(asked)),
                ops=[ast.In() | ast.NotIn()],
                comparators=[ast.Name(body)],
            ):
                pass
            case _:
                continue
        if body in names:
            yield asked


MEMBERS = {
    name for body in vars(bodies).values() if is_typeddict(body) for name in body.__annotations__
}


@pytest.mark.parametrize("file", FILES)
def test_the_type_of_a_body_is_named_before_it_is_read(file):
    assert list(untyped_reads(file)) == []


def test_the_folds_ask_bodies_for_members_by_text():
    asked = {name for file in FOLDS for name in asked_for(file)}

    assert {"carried", "will_retry", "delay_s", "result"} <= asked


@pytest.mark.parametrize("file", FOLDS)
def test_what_a_fold_asks_a_body_for_is_a_member_of_some_body(file):
    assert set(asked_for(file)) - MEMBERS == set()
