"""A model of the log in dictionaries that takes one request after the other."""

from collections.abc import Sequence

from events.envelope import AppendRequest, StreamAppend

Outcome = tuple[object, ...]


class Model:
    def __init__(self, position: int = 0) -> None:
        self.position = position
        self.versions: dict[tuple[str, str], int] = {}
        self.events: dict[str, tuple[object, ...]] = {}
        self.keys: dict[tuple[str, str], tuple[bytes, int, int]] = {}

    def append(self, request: AppendRequest) -> Outcome:
        return self._known_key(request) or self._known_events(request) or self._judge(request)

    def _known_key(self, request: AppendRequest) -> Outcome | None:
        known = self.keys.get((request.tenant, request.idempotency_key))
        if known is None:
            return None
        fingerprint, first, last = known
        if fingerprint != request.fingerprint:
            return ("mismatch", request.idempotency_key)
        return ("duplicate", first, last)

    def _known_events(self, request: AppendRequest) -> Outcome | None:
        found = [
            (self.events.get(event.event_id), (request.tenant, part.stream, event.type, event.body))
            for part in request.streams
            for event in part.events
        ]
        if not any(known for known, _ in found):
            return None
        positions = [known[0] for known, wanted in found if known and known[1] == wanted]
        first = positions[0] if positions else 0
        if positions == list(range(first, first + len(found))):
            return ("duplicate", first, first + len(found) - 1)
        return ("known",)

    def _judge(self, request: AppendRequest) -> Outcome:
        for part in request.streams:
            actual = self.versions.get((request.tenant, part.stream), 0)
            if not _holds(part.expected, actual):
                return ("conflict", part.stream, part.expected, actual)
        return self._write(request)

    def _write(self, request: AppendRequest) -> Outcome:
        first = self.position + 1
        for part in request.streams:
            self._write_part(request.tenant, part)
        if request.idempotency_key:
            answer = (request.fingerprint, first, self.position)
            self.keys[request.tenant, request.idempotency_key] = answer
        return ("appended", first, self.position, self._versions(request))

    def _write_part(self, tenant: str, part: StreamAppend) -> None:
        for event in part.events:
            self.position += 1
            where = (tenant, part.stream)
            self.versions[where] = self.versions.get(where, 0) + 1
            content = (tenant, part.stream, event.type, event.body)
            self.events[event.event_id] = (self.position, content)

    def _versions(self, request: AppendRequest) -> Sequence[int]:
        return [
            self.versions[request.tenant, part.stream] - len(part.events) + offset + 1
            for part in request.streams
            for offset in range(len(part.events))
        ]


def _holds(expected: int, actual: int) -> bool:
    match expected:
        case -1:
            return True
        case -2:
            return actual > 0
        case _:
            return actual == expected
