"""What every dialect must keep, whatever its vendor: the shared suite's view of a vendor.

Each vendor's folder here has a `vendor.py` with a `VENDOR`, which says in the vendor's own words
how a client of that vendor asks. `test_contract.py` runs the promises against a real server.

The sixth dialect, in `sixth/`, is the proof that a folder is all that a vendor takes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from service.access import Right
from service.dialects import discover

STATES = (
    "queued",
    "running",
    "failing",
    "cancelling",
    "succeeded",
    "warned",
    "failed",
    "cancelled",
)
ENDS = ("succeeded", "warned", "failed", "cancelled")


@dataclass(frozen=True)
class Call:
    """A request as a client writes it: ``target`` is sent as it is."""

    method: str
    target: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def having(self, **headers: str) -> Call:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Call(self.method, self.target, self.body, {**self.headers, **named})

    def sending(self, value: object) -> Call:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        return Call(self.method, self.target, body, headers)


@dataclass(frozen=True)
class Answer:
    """What came back; ``json`` fails where the body is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Vendor(Protocol):
    """A vendor's client, as the suite needs it. ``run`` is always a run as /v1 shows it."""

    words: Mapping[str, str]
    """The word of each of `STATES`, where the run is one whose failed part is all of it."""

    def sign(self, call: Call, key: Any) -> Call:
        """Add the credential."""

    def status(self, run: Mapping[str, Any]) -> Call:
        """Read the run."""

    def word(self, answer: Answer, run: Mapping[str, Any]) -> str:
        """Find the run's word in the answer to `status`."""

    def calls(self, run: Mapping[str, Any]) -> Sequence[Call]:
        """Make one call to each operation about this run or its flow."""

    def malformed(self, run: Mapping[str, Any]) -> Iterator[tuple[Call, int]]:
        """Make calls that are wrong, each with the status of its refusal."""

    def check_error(self, answer: Answer, call: Call) -> None:
        """Assert that an answer is a refusal in the vendor's own body."""

    unknown: str
    """A path that is the vendor's and has nothing."""


class StartingVendor(Vendor, Protocol):
    """A vendor whose clients start runs too."""

    def start(self, run: Mapping[str, Any]) -> Call:
        """Start the run's flow once more."""

    def started(self, answer: Answer, run: Mapping[str, Any]) -> Call:
        """Read the run that a start was answered with."""


def vendor(name: str) -> Any:
    """The client of a vendor: a `Vendor`, and a `StartingVendor` where `STARTING` has it."""
    return import_module(f"tests.dialects.{name}.vendor").VENDOR


def folder(name: str) -> Path:
    return Path(inspect.getfile(DIALECTS[name].flow_ids)).parent


SIXTH = "tests.dialects.sixth"
DIALECTS = {dialect.name: dialect for dialect in (*discover(), *discover(SIXTH))}
NAMES = tuple(DIALECTS)
STARTING = tuple(
    name
    for name, dialect in DIALECTS.items()
    if any(route.right is Right.START for route in dialect.routes)
)
