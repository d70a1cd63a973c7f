"""What a tailing reader lost is what was written and never seen."""

from tests.benchmarks.storing import tail
from tests.benchmarks.storing.tail import Tail


def test_what_was_written_and_not_seen_is_lost():
    found = Tail()
    for event_id in ("a", "b", "c"):
        found.wrote(event_id, 1.0)
    found.saw("b")
    assert found.lost == 2
    assert len(found.latencies) == 1


def test_what_is_seen_before_its_append_has_answered_is_not_lost():
    found = Tail()
    found.saw("a")
    found.wrote("a", 1.0)
    assert found.lost == 0


async def test_the_reader_is_waited_for_while_anything_may_come(monkeypatch):
    monkeypatch.setattr(tail, "PATIENCE_S", 0.1)
    found = Tail()
    found.wrote("a", 1.0)
    await found.settle(2.0)
    assert (found.lost, found.per_s) == (1, 0.5)
