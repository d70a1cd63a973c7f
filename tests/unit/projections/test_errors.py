"""What a paused read model says of the event that it cannot apply."""

from events.envelope import Position
from projections.errors import ApplyEventError, MissingFirstEvent


def failed_with(cause: Exception) -> ApplyEventError:
    error = ApplyEventError("executions", Position(7), Position(7))
    error.__cause__ = cause
    return error


def test_cause_of_ours_is_shown_by_its_message_alone():
    cause = MissingFirstEvent("run", "default", "a-1")
    assert failed_with(cause).reason == "run 'a-1' of tenant 'default' has no first event"


def test_foreign_cause_is_shown_by_class_and_message():
    assert failed_with(KeyError("task")).reason == "KeyError: 'task'"
