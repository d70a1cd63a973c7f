"""A-4: whatever is in a batch, each request is answered as if it had come alone."""

import uuid

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.codec import encode
from events.envelope import Appended, AppendRequest, NewEvent, StreamAppend
from events.errors import IdempotencyMismatch, InvalidEvent, VersionConflict
from tests.events.model import Model

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
batches = st.lists(st.lists(drawn_request, min_size=1, max_size=8), min_size=1, max_size=4)


def built(scope: uuid.UUID, drawn) -> AppendRequest | None:
    """The request, named apart from those of other examples; None where it has no valid shape."""
    tenant, parts, key, fingerprint = drawn
    numbers = [number for _, _, events in parts for number, _ in events]
    if not numbers or len(set(numbers)) < len(numbers):
        return None
    streams = tuple(
        StreamAppend(
            stream,
            expected,
            tuple(
                NewEvent(str(uuid.uuid5(scope, str(number))), "RunStarted", encode({"b": body}), "")
                for number, body in events
            ),
        )
        for stream, expected, events in parts
    )
    return AppendRequest(f"{tenant}-{scope}", streams, key, fingerprint if key else b"")


def described(answer) -> tuple[object, ...]:
    match answer:
        case Appended(first, last, _, True, ()):
            return ("duplicate", first, last)
        case Appended(first, last, _, False, events):
            assert [event.position for event in events] == list(range(first, last + 1))
            return ("appended", first, last, [event.version for event in events])
        case VersionConflict(_, stream, expected, actual):
            return ("conflict", stream, expected, actual)
        case IdempotencyMismatch(_, key):
            return ("mismatch", key)
        case InvalidEvent():
            return ("known",)
    raise AssertionError(answer)


@given(batches)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_a_batch_answers_each_request_as_if_it_had_come_alone(log, drawn):
    scope = uuid.uuid4()
    model = Model(await log.head())
    for batch in drawn:
        requests = [request for request in (built(scope, each) for each in batch) if request]
        answers = await log.append(requests)
        assert [described(a) for a in answers] == [model.append(r) for r in requests]
    assert await log.head() == model.position
    for (tenant, stream), version in model.versions.items():
        events = await log.read_stream(tenant, stream)
        assert [event.version for event in events] == list(range(1, version + 1))
