"""Each error of the log says what it knows."""

import pytest

import events
from events.errors import (
    IdempotencyMismatch,
    LogBusy,
    LogUnavailable,
    MissingPositions,
    UnknownEventTypes,
    VersionConflict,
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LogBusy(), "Too many appends wait already; try again later."),
        (LogUnavailable("gone"), "gone"),
        (VersionConflict("t", "s", 1, 2), "stream 's' is at version 2, expected 1"),
        (IdempotencyMismatch("t", "k"), "idempotency key 'k' was used for a different request"),
        (MissingPositions(3, 5), "expected position 3, the log returned 5"),
        (UnknownEventTypes(["New", "Newer"]), "unknown event types: New, Newer"),
    ],
)
def test_error_message_contains_its_attributes(error, text):
    assert str(error) == text


def test_installed_events_package_is_ours():
    assert events.__doc__.startswith("The log: an append-only")
