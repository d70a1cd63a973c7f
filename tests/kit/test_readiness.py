"""The watch on readiness counts what was wrong, and only that."""

from tests.kit.readiness import Watch


def watch_with_failures_since(began: float) -> Watch:
    watch = Watch("http://nowhere", "token", "flow")
    watch._note_start(began, succeeded=False)
    return watch


def test_ready_is_wrong_if_a_start_fails_afterwards_as_before():
    watch = watch_with_failures_since(10.0)
    watch._note_ready(14.0, 0.5)
    watch._note_start(14.1, succeeded=False)
    assert watch.wrong_s == 0.5


def test_ready_is_not_wrong_within_three_seconds_of_the_first_failure():
    watch = watch_with_failures_since(10.0)
    watch._note_ready(12.9, 0.5)
    watch._note_start(13.5, succeeded=False)
    assert watch.wrong_s == 0


def test_ready_is_not_wrong_if_the_next_start_succeeds_however_long_it_takes():
    watch = watch_with_failures_since(10.0)
    watch._note_ready(14.0, 0.5)
    watch._note_start(13.9, succeeded=False)  # it had begun before that was said
    watch._note_start(14.1, succeeded=True)
    watch._note_start(20.0, succeeded=False)
    assert watch.wrong_s == 0
