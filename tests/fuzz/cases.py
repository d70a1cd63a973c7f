"""The cases: what schemathesis makes of the document, with ids that exist put in their place."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation, BaseSchema

from service.http.as_of import AS_OF, AS_OF_HEADER
from tests.fuzz.asking import Asking, known_value
from tests.fuzz.findings import Findings

TIMEOUT_S = 30
NO_ANSWER = 599
"""What counts as the status of a request that was not answered, or not in time."""

SHOWN_HEADERS = ("Content-Type", "Idempotency-Key", "Flowledger-As-Of")
KNOWN_IN_PATH = 0.8
KNOWN_ELSEWHERE = 0.5
PRESENT = 0.85
EDGE = 0.3
EDGES = (
    "", " ", "0", "-1", "1", "1.5", "1_0", "\u0663", "null", "true", "1e9", "2147483648",
    "9007199254740993", "9223372036854775808", "00000000-0000-4000-8000-000000000000",
    "2026-01-31T09:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "*", "..",
    "%",
)  # fmt: skip
"""What a parser may stumble over, whatever the document says of a parameter."""


@dataclass
class Operation:
    """An operation of the document, and what its cases have been answered."""

    made: APIOperation
    asking: Asking
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        return self.made.definition.raw["operationId"]

    @property
    def succeeded(self) -> bool:
        return any(status < 400 for status in self.statuses)

    def send(self, count: int, *, seed: int, findings: Findings) -> Iterator[int]:
        """Send up to so many cases, half of them well-formed; each one's status."""
        before = self.statuses.copy()
        self.asking.refresh()
        for mode, share in zip(GenerationMode, (count - count // 2, count // 2), strict=True):
            if share:
                self._send(mode, share, seed, findings)
        yield from (self.statuses - before).elements()

    def _send(self, mode: GenerationMode, count: int, number: int, findings: Findings) -> None:
        chance = random.Random(f"{number} {mode} {self.name}")
        documented = self.made.definition.raw["responses"].keys()

        @seed(number)
        @settings(
            max_examples=count,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self.made.as_strategy(generation_mode=mode))
        def ask(case: Case) -> None:
            self._fill(case, chance)
            vendor = self.name.partition("_")[0]
            try:
                answer = case.call(
                    base_url=self.asking.url,
                    session=self.asking.session,
                    auth=self.asking.auth(vendor, chance),
                    timeout=TIMEOUT_S,
                    allow_redirects=False,
                )
            except (requests.ConnectionError, requests.Timeout) as error:
                self.statuses[NO_ANSWER] += 1
                findings.judge(
                    self.name, NO_ANSWER, documented, f"{error}: {case.as_curl_command()}"
                )
                return
            self.statuses[answer.status_code] += 1
            if answer.status_code >= 500 or not leads_elsewhere(
                answer.request.path_url, self.made.path
            ):
                findings.judge(self.name, answer.status_code, documented, _told(answer.request))

        with suppress(Unsatisfiable):  # nothing of an operation without parameters is ill-formed
            ask()

    def _fill(self, case: Case, chance: random.Random) -> None:
        ids = self.asking.ids(self.name.partition("_")[0], chance)
        replace(case.path_parameters, ids, chance, KNOWN_IN_PATH)
        for place in (case.query, case.body):
            if isinstance(place, MutableMapping):
                _forget_the_past(place, chance)
                replace(place, ids, chance, KNOWN_ELSEWHERE)
        _forget_the_past(case.headers or {}, chance)


def operations(schema: BaseSchema, asking: Asking) -> list[Operation]:
    return [Operation(each.ok(), asking) for each in schema.get_all_operations()]


def replace(
    place: MutableMapping[str, Any] | None,
    ids: dict[str, Any],
    chance: random.Random,
    often: float,
) -> None:
    """Put an id that exists where one is named, or elsewhere a value at the edge of something."""
    for kind in list(place or {}):
        if chance.random() >= often:
            continue
        if (value := known_value(kind, ids)) is not None and chance.random() >= EDGE:
            place[kind] = value
        elif isinstance(place[kind], str) and chance.random() < EDGE:
            place[kind] = chance.choice(EDGES)


def leads_elsewhere(target: str, template: str) -> bool:
    """Tell whether a request went to another address than its operation's.

    Clients take empty and dot segments out of a path (RFC 3986, 5.2.4), so an id ``.`` or ``..``
    asks for something else, and the answer is that one's.
    """
    return target.partition("?")[0].count("/") != template.count("/")


def _forget_the_past(place: MutableMapping[str, Any], chance: random.Random) -> None:
    """Leave most moments out: one that is none hides what else is wrong with a request."""
    for kind in (AS_OF, AS_OF_HEADER):
        if chance.random() < PRESENT:
            place.pop(kind, None)


def _told(request: Any) -> str:
    body = request.body or b""
    shown = {name: value for name, value in request.headers.items() if name in SHOWN_HEADERS}
    return f"{request.method} {request.path_url} {body[:200]!r} {shown}"
