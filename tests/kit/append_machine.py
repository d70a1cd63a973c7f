"""State machine for append: each outcome equals that of requests made one by one."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from events.codec import encode
from events.envelope import AppendRequest, AppendResult, NewEvent, StreamAppend
from events.errors import IdempotencyMismatch, InvalidEvent, VersionConflict
from tests.kit.model import Model

STREAMS = ("a", "b", "c")

drawn_event = st.tuples(st.integers(0, 40), st.sampled_from([1, 1, 1, 2]))
drawn_part = st.tuples(
    st.sampled_from(STREAMS),
    st.sampled_from([-2, -1, -1, 0, 0, 1, 2, 3]),
    st.lists(drawn_event, max_size=3, unique_by=lambda drawn: drawn[0]),
)
drawn_request = st.tuples(
    st.sampled_from(["north", "south"]),
    st.lists(drawn_part, min_size=1, max_size=3, unique_by=lambda part: part[0]),
    st.sampled_from(["", "", "", "k", "l"]),
    st.sampled_from([b"f", b"f", b"g"]),
)
drawn_batch = st.lists(drawn_request, min_size=1, max_size=8)


class Appends(Protocol):
    """A log to be held to the model."""

    async def append(self, requests: Sequence[AppendRequest]) -> Sequence[Any]: ...

    async def head(self) -> int: ...

    async def read_stream(self, tenant: str, stream: str) -> Sequence[Any]: ...


class Appending(RuleBasedStateMachine):
    """All four modes of expectation, conditions on streams only read, keys, and repeats."""

    def __init__(self, log: Appends, loop: asyncio.Runner) -> None:
        super().__init__()
        self._log = log
        self._wait = loop.run
        self._scope = uuid.uuid4()
        self._model = Model(self._wait(log.head()))
        self._sent: list[AppendRequest] = []

    @rule(drawn=drawn_batch)
    def append(self, drawn):
        self._append([each for each in map(self._request, drawn) if each])

    @rule(data=st.data())
    @precondition(lambda self: self._sent)
    def repeat_some(self, data):
        self._append(data.draw(st.lists(st.sampled_from(self._sent), max_size=5)))

    @invariant()
    def every_request_took_its_positions_and_no_more(self):
        assert self._wait(self._log.head()) == self._model.position

    def teardown(self):
        for (tenant, stream), version in self._model.versions.items():
            events = self._wait(self._log.read_stream(tenant, stream))
            assert [event.version for event in events] == [*range(1, version + 1)]

    def _append(self, requests: list[AppendRequest]) -> None:
        answers = self._wait(self._log.append(requests))
        assert [described(a) for a in answers] == [self._model.append(r) for r in requests]
        self._sent += requests

    def _request(self, drawn) -> AppendRequest | None:
        """A request, named apart from those of other examples; None where it has no valid shape."""
        tenant, parts, key, fingerprint = drawn
        numbers = [number for _, _, events in parts for number, _ in events]
        if not numbers or len(set(numbers)) < len(numbers):
            return None
        streams = tuple(
            StreamAppend(stream, expected, tuple(self._event(*event) for event in events))
            for stream, expected, events in parts
        )
        return AppendRequest(f"{tenant}-{self._scope}", streams, key, fingerprint if key else b"")

    def _event(self, number: int, body: int) -> NewEvent:
        event_id = str(uuid.uuid5(self._scope, str(number)))
        return NewEvent(event_id, "RunStarted", encode({"b": body}), "")


def described(answer) -> tuple[object, ...]:
    match answer:
        case AppendResult(first, last, _, True, ()):
            return ("duplicate", first, last)
        case AppendResult(first, last, _, False, events):
            assert [event.position for event in events] == list(range(first, last + 1))
            return ("appended", first, last, [event.version for event in events])
        case VersionConflict(_, stream, expected, actual):
            return ("conflict", stream, expected, actual)
        case IdempotencyMismatch(_, key):
            return ("mismatch", key)
        case InvalidEvent():
            return ("known",)
    raise AssertionError(answer)
