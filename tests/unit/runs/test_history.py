"""What each event of a run changed in the rendered run, completely."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.types import RUN_QUEUED
from projections.documents.flow import flow_of
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from service.api import rendering
from service.apis import discover
from service.flows.identity import FlowIdentity
from service.runs.read.history import RunReplay
from tests.runs.processes import flow
from tests.runs.story import CHAIN, HOOKS, RUN, TENANT, Story, running
from tests.unit.runs.test_properties import carry_out, commands, plans

DIALECTS = discover()
LATER = datetime(2026, 3, 1, 11, tzinfo=UTC)


class Only:
    """The one flow of a story."""

    def __init__(self, story):
        names = FlowIdentity(TENANT, "example.ETL", 1)
        ids = {dialect.name: dialect.flow_ids(names, {}) for dialect in DIALECTS}
        body = flow("ETL", story.plan, executor=story.state.executor, ids=ids)[1]
        self.flow = flow_of(TENANT, body)

    def of(self, event):
        assert event.type == RUN_QUEUED
        return self.flow


def render_run(doc):
    return rendering.run(doc, DIALECTS)


def replay_of(story, **more):
    return RunReplay(Only(story), render_run=render_run, render_task=rendering.task, **more)


def history(story):
    replay = replay_of(story)
    return [replay.step(event) for event in story.events]


def last(story):
    """What the newest event changed."""
    return {change.field: (change.before, change.after) for change in history(story)[-1].changes}


def flat(run):
    """A run as it is shown, as fields with values; a task's are named with its path."""
    fields = {name: run[name] for name in run.keys() - {"tasks", "position"}}
    for task in run["tasks"]:
        fields |= {f"tasks[{task['path']}].{name}": value for name, value in task.items()}
    return {name: value for name, value in fields.items() if value is not None}


def shown(story, count):
    """The run as /v1 shows it after so many events, folded anew."""
    states, flows = {}, Only(story)
    for event in story.events[:count]:
        WORKFLOWS.fold(states, event, flows)
    document = WORKFLOWS.document(states["run", TENANT, RUN])
    return flat(rendering.workflow(document, DIALECTS))


sequences = st.lists(st.one_of(commands, st.tuples(st.just("correct"), st.integers(0, 50))))


def live(story, sequence):
    for name, argument in sequence:
        if name == "correct":
            story.correct(1 + argument % len(story.events), right=argument)
        else:
            carry_out(story, name, argument)


@settings(max_examples=100)
@given(plans(), st.sampled_from(["in_process", "external"]), sequences)
def test_changes_of_a_history_add_up_to_the_run_as_it_is(plan, executor, sequence):
    story = Story(plan, executor)
    live(story, sequence)
    fields = {}
    for count, each in enumerate(history(story), 1):
        for change in each.changes:
            assert fields.get(change.field) == change.before
            assert change.before != change.after
            fields[change.field] = change.after
        current = {name: value for name, value in fields.items() if value is not None}
        assert current == shown(story, count)


@settings(max_examples=50)
@given(plans(), sequences, st.integers(0, 60))
def test_history_read_from_the_middle_equals_the_rest_of_the_whole(plan, sequence, after):
    story = Story(plan)
    live(story, sequence)
    replay = replay_of(story)
    for event in story.events[:after]:
        replay.fold(event)
    assert [replay.step(event) for event in story.events[after:]] == history(story)[after:]


def test_first_event_sets_the_fields_of_the_run_and_its_tasks():
    changes = last(Story(CHAIN, payload={"day": 1}))
    assert changes["status"] == (None, "queued")
    assert changes["payload"] == (None, {"day": 1})
    assert changes["tasks[B].status"] == (None, "pending")
    assert "comment" not in changes, "it is null before and after"


def test_task_start_changes_only_the_task():
    story = running(CHAIN)
    assert last(story) == {
        "tasks[A].status": ("pending", "running"),
        "tasks[A].attempt": (0, 1),
        "tasks[A].started_at": (None, "2026-03-01T12:00:00.000000Z"),
    }


def test_final_failure_changes_the_run_and_the_task():
    story = running(HOOKS)
    story.reports("TaskFailed", "A", exception="no such table")
    failed = next(each for each in history(story) if each.event.type == "TaskFailed")
    changes = {change.field: change for change in failed.changes}
    assert changes.keys() == {
        "failing",
        "error",
        "tasks[A].status",
        "tasks[A].ended_at",
        "tasks[A].error",
    }
    assert changes["error"].after["task"] == "A"


def test_refused_report_has_its_reason_and_no_changes():
    story = running(CHAIN, executor="external")
    story.reports("RunSucceeded")
    story.reports("TaskStarted", "B")
    refused = history(story)[-1]
    assert refused.event.data == {
        "type": "TaskStarted",
        "task": "B",
        "reason": "the run has ended: it is succeeded",
        "data": {},
    }
    assert (refused.changes, refused.after_end) == ([], True)


def test_only_events_after_the_end_are_marked_after_end():
    story = running(CHAIN, executor="external")
    story.reports("RunSucceeded", at=LATER - timedelta(days=1))
    story.correct(1)
    ends = [(each.event.type, each.after_end) for each in history(story)]
    assert [end for end in ends if end[1]] == [("CorrectionRecorded", True)]
    assert ends[-2] == ("RunSucceeded", False)


def test_skipped_event_has_no_changes():
    story = running(CHAIN)
    skipped = story.events[-1]
    replay = replay_of(story, skipped=frozenset({skipped.position}))
    assert [replay.step(event) for event in story.events][-1].changes == []


@pytest.mark.parametrize(
    ("value", "beginning"),
    [
        ("x" * 3000, "x" * 1000),
        ({"rows": ["y" * 3000]}, '{"rows":["' + "y" * 990),
        (["ü" * 1500], '["' + "ü" * 998),
    ],
)
def test_large_value_is_cut_with_its_size_and_hash(value, beginning):
    text, cut = rendering.truncate(value)
    assert text == beginning
    assert cut["size_bytes"] > 2000
    assert len(cut["sha256"]) == 64
    assert rendering.truncate([value]) != rendering.truncate(value)


@pytest.mark.parametrize("value", [None, False, 0, "", {}, "x" * 1998, {"a": [1, None]}])
def test_small_value_is_not_cut(value):
    assert rendering.truncate(value) == (value, None)
