"""Writes the reference page of the event types from `events.bodies`.

``python -m events.reference > docs/reference/events.md`` writes the page anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from inspect import getdoc
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import orjson

from events import bodies, types
from events.bodies import BODIES

_RUN_ID: Final = "5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"
_WORKER: Final = "0b9c8c0e-6a1f-4e0e-9a44-7d3f2f4b6a51"
_KEY_ID: Final = "7f0c2d9e-41b7-4f0a-9b57-1f4c55a0e3d8"
_REBUILD_ID: Final = "c2b1a6de-5f3c-4f1a-8f0f-2f9be1a7c0d3"

EXAMPLES: Final[Mapping[str, bodies.Body]] = {
    types.RUN_QUEUED: bodies.RunQueued(
        run_id=_RUN_ID,
        run_number=42,
        flow="sales.LOAD",
        flow_version=3,
        executor="in_process",
        exclusive=False,
        payload={"day": "2026-03-01"},
        comment=None,
        trigger="schedule",
        started_by="schedule",
        attempt=1,
        retry_of=None,
        root_run=_RUN_ID,
        root_run_number=42,
        schedule={"due_at": "2026-03-01T06:00:00.000000Z", "late_s": 0, "missed": 0},
    ),
    types.RUN_CLAIMED: bodies.RunClaimed(worker=_WORKER, epoch=1),
    types.RUN_STARTED: bodies.RunStarted(),
    types.RUN_CANCEL_REQUESTED: bodies.RunCancelRequested(force=False),
    types.RUN_SUCCEEDED: bodies.RunSucceeded(),
    types.RUN_WARNED: bodies.RunWarned(warnings=["3 rows were left out"]),
    types.RUN_FAILED: bodies.RunFailed(reason="error"),
    types.RUN_CANCELLED: bodies.RunCancelled(),
    types.RUN_UNLISTED: bodies.RunUnlisted(offset=1000),
    types.REPORT_REFUSED: bodies.ReportRefused(
        type="TaskStarted",
        task="EXTRACT",
        reason="the run has ended: it is succeeded",
        data={},
    ),
    types.CORRECTION_RECORDED: bodies.CorrectionRecorded(
        position=1077,
        version=5,
        reason="the rows were counted twice",
        data={"metrics": {"rows": 120}},
    ),
    types.TASK_STARTED: bodies.TaskStarted(task="EXTRACT", attempt=1),
    types.TASK_SUCCEEDED: bodies.TaskSucceeded(task="EXTRACT"),
    types.TASK_WARNED: bodies.TaskWarned(task="EXTRACT", warnings=["3 rows were left out"]),
    types.TASK_FAILED: bodies.TaskFailed(
        task="LOAD",
        reason="error",
        will_retry=True,
        exception="ConnectionError: the warehouse is down",
        statement="insert into sales select * from staging",
        line=12,
    ),
    types.TASK_CANCELLED: bodies.TaskCancelled(task="LOAD"),
    types.TASK_SKIPPED: bodies.TaskSkipped(task="LOAD"),
    types.TASK_OUTPUT_RECORDED: bodies.TaskOutputRecorded(
        task="EXTRACT", attempt=1, result={"file": "sales.csv"}, metrics={"rows": 240}
    ),
    types.SLOT_TAKEN: bodies.SlotTaken(run_id=_RUN_ID),
    types.SLOT_FREED: bodies.SlotFreed(run_id=_RUN_ID),
    types.FLOW_REGISTERED: bodies.FlowRegistered(
        fullname="sales.LOAD",
        project="sales",
        name="LOAD",
        version=3,
        number=7,
        executor="in_process",
        exclusive=False,
        timeout_s=3600.0,
        ids={"etlworks": {"flowId": 1000000007}},
        definition={"tasks": ["EXTRACT"]},
        plan={
            "tasks": [
                {
                    "path": "EXTRACT",
                    "key": "EXTRACT",
                    "previous": [],
                    "groups": [],
                    "hook": None,
                    "type": "python",
                    "retries": 0,
                    "timeout_s": None,
                    "options": {},
                }
            ],
            "groups": [],
        },
        payload_schema=None,
    ),
    types.FLOW_RETIRED: bodies.FlowRetired(fullname="sales.LOAD", version=3),
    types.KEY_CREATED: bodies.KeyCreated(
        key_id=_KEY_ID, tenant="acme", name="nightly", role="operator"
    ),
    types.KEY_REVOKED: bodies.KeyRevoked(
        key_id=_KEY_ID, tenant="acme", name="nightly", role="operator"
    ),
    types.REBUILD_STARTED: bodies.RebuildStarted(
        rebuild_id=_REBUILD_ID, projection="listings", version=2, purpose="replace", shape=1
    ),
    types.REBUILD_FINISHED: bodies.RebuildFinished(
        rebuild_id=_REBUILD_ID,
        projection="listings",
        version=2,
        purpose="replace",
        outcome="replaced",
        previous=1,
        position=120450,
    ),
    types.EVENT_SKIPPED: bodies.EventSkipped(
        projection="listings", version=1, position=1077, reason="written by a test tool"
    ),
    types.LEDGER_HELD: bodies.LedgerHeld(reason="a process was started with --hold"),
    types.LEDGER_RESUMED: bodies.LedgerResumed(reason="the copy takes over from the lost server"),
}
"""A body of each event type."""


class Member(NamedTuple):
    """A member of a JSON object, as the page shows it."""

    name: str
    type: str
    required: bool
    meaning: str


_SECTIONS: Final = (
    ("Runs", f"`{types.run_stream('<run_id>')}`", types.RUN_TYPES),
    ("Tasks", f"`{types.run_stream('<run_id>')}`, that of the task's run", types.TASK_TYPES),
    ("Slots of exclusive flows", f"`{types.slot_stream('<fullname>')}`", types.SLOT_TYPES),
    ("The catalogue of flows", f"`{types.CATALOGUE_STREAM}`", types.CATALOGUE_TYPES),
    (
        "Administration",
        f"`{types.ADMINISTRATION_STREAM}` of the tenant `{types.EVERY_TENANT}`",
        types.ADMINISTRATION_TYPES,
    ),
)
"""The title of each part of the page, the stream of its events, and their types."""

_INTRODUCTION: Final = """\
# Event types

Every event that the log may hold, with the members of its body. A body is a JSON object. A member
that is not required is absent where it has nothing to say. Reporters may add members of their own
to the events that they report: the ledger keeps and shows them.

Names of event types and members are permanent. A stored event never changes. A new version of a
body would be lifted from the old one as it is read (`schema_version`); every type is at version 1.

What may follow what is in [states of runs and tasks](states.md). How an event is hashed is in
[the leaf](leaf.md). `events/bodies.py` defines the bodies, and this page is generated from it.
"""
_SCALARS: Final[Mapping[object, str]] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
    Any: "any JSON",
}


def page() -> str:
    """Write the whole page."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    for title, stream, kinds in _SECTIONS:
        yield f"## {title}\n"
        yield f"Stream: {stream}.\n"
        for kind in (kind for kind in BODIES if kind in kinds):
            yield from _event(kind)
    yield "## Metadata\n"
    yield "Beside its body, each event says through what it came. Empty members are left out.\n"
    yield from _object(bodies.Metadata)


def _event(kind: str) -> Iterator[str]:
    yield f"### {kind}\n"
    yield f"{getdoc(BODIES[kind])}\n"
    yield from _object(BODIES[kind])
    yield f"```json\n{orjson.dumps(EXAMPLES[kind], option=orjson.OPT_INDENT_2).decode()}\n```\n"


def _object(body: type) -> Iterator[str]:
    """Write the members of an object, and then of the objects in it."""
    members = members_of(body)
    if not members:
        yield "The body has no members of its own.\n"
        return
    yield "| member | type | required | meaning |"
    yield "|---|---|---|---|"
    for member in members:
        required = "yes" if member.required else "no"
        yield f"| `{member.name}` | {member.type} | {required} | {member.meaning} |"
    yield ""
    for name, inner in _inner_objects(body):
        yield f"`{name}`: {_lower(getdoc(inner) or '')}\n"
        yield from _object(inner)


def members_of(body: type) -> list[Member]:
    """List the members of a body in the order of their definition, the required ones first."""
    # Not by `__required_keys__`, which cannot read annotations that are texts.
    hints = get_type_hints(body, include_extras=True)
    found = [
        Member(name, _type(hint), get_origin(hint) is not NotRequired, _meaning(hint))
        for name, hint in hints.items()
    ]
    return sorted(found, key=lambda member: not member.required)


def _inner_objects(body: type) -> Iterator[tuple[str, type]]:
    for name, hint in get_type_hints(body).items():
        inner = hint
        while get_origin(inner) not in (None, Literal, Union, UnionType):
            inner = get_args(inner)[0 if get_origin(inner) is not Mapping else 1]
        if is_typeddict(inner):
            yield name, inner


def _meaning(hint: object) -> str:
    return "".join(text for text in get_args(_annotated(hint))[1:] if isinstance(text, str))


def _annotated(hint: object) -> object:
    """Strip what says that a member may be absent."""
    return hint if get_origin(hint) is Annotated else get_args(hint)[0]


def _type(hint: object) -> str:
    """Say a type in JSON's words.

    >>> _type(Literal["error", "lost"])
    '`error`, `lost`'
    >>> _type(Mapping[str, Sequence[int | None]])
    'object of lists of integer or null'
    """
    if hint in _SCALARS or is_typeddict(hint):
        return _SCALARS.get(hint, "object")
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in args)
    if origin in (Union, UnionType):
        return " or ".join(map(_type, args))
    if origin is Mapping:
        return "object" if args[1] is Any else f"object of {_plural(_type(args[1]))}"
    if origin is Sequence:
        return f"list of {_plural(_type(args[0]))}"
    return _type(args[0])  # of Annotated and NotRequired


def _plural(name: str) -> str:
    first, space, rest = name.partition(" ")
    return f"{first}s{space}{rest}" if first in ("object", "list", "text") else name


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


if __name__ == "__main__":
    sys.stdout.write(page())
