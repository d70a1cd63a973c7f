"""What holds for every plan and every sequence of commands."""

from hypothesis import given, settings
from hypothesis import strategies as st

from projections.documents.flow import Plan, PlanTask
from projections.documents.lifecycle import RUN_ENDED, TASK_ENDED
from service.runs.domain.plans import ready_tasks
from tests.runs.story import Story

ENDS = ("TaskSucceeded", "TaskWarned", "TaskFailed", "TaskCancelled")
REPORTS = (
    *ENDS,
    "TaskStarted",
    "TaskSkipped",
    "TaskOutputRecorded",
    "RunStarted",
    "RunSucceeded",
    "RunWarned",
    "RunFailed",
    "RunCancelled",
)


@st.composite
def plans(draw):
    """A graph of up to five tasks, each waiting for some before it, and some hooks."""
    count = draw(st.integers(1, 5))
    tasks = [
        PlanTask(
            f"T{n}",
            f"T{n}",
            tuple(sorted(draw(st.sets(st.sampled_from([f"T{m}" for m in range(n)]))))) if n else (),
            retries=draw(st.integers(0, 2)),
        )
        for n in range(count)
    ]
    hooks = [
        PlanTask(kind.upper(), kind.upper(), hook=kind)
        for kind in draw(st.sets(st.sampled_from(("success", "failure"))))
    ]
    return Plan((*tasks, *sorted(hooks, key=lambda hook: hook.path)))


tasks = st.sampled_from([f"T{n}" for n in range(5)] + ["SUCCESS", "FAILURE"])
reports = st.tuples(
    st.sampled_from(REPORTS),
    tasks,
    st.booleans(),
    st.sampled_from([None, None, "x-1", "x-2"]),
)
commands = st.one_of(
    st.tuples(st.just("report"), st.lists(reports, min_size=1, max_size=4)),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.just("claim"), st.integers(0, 3)),
    st.tuples(st.just("time_out"), st.none()),
    st.tuples(st.just("unlist"), st.none()),
)


def carry_out(story, name, argument):
    match name:
        case "report":
            story.report(*(_event(story, *report) for report in argument))
        case "cancel":
            story.cancel(force=argument)
        case "claim":
            story.claim(f"w{argument}", story.state.epoch + argument)
        case "unlist":
            story.unlist()
        case _:
            story.time_out()


def _event(story, type_, task, again, id_):
    data = {"will_retry": again} if type_ == "TaskFailed" else {}
    return story.event(type_, task if type_.startswith("Task") else None, id_=id_, **data)


def check(story, before):
    state = story.state
    # `Story.when` has folded the stream and compared it with the state the decision left.
    if before.status in RUN_ENDED:
        assert (state.status, state.tasks) == (before.status, before.tasks)
    for path, task in before.tasks.items():
        if task.status in TASK_ENDED:
            assert state.tasks[path] == task
    if all(task.status in TASK_ENDED for task in state.tasks.values()):
        assert state.has_ended
    if state.has_ended:
        assert all(task.status in TASK_ENDED for task in state.tasks.values())
        assert ready_tasks(story.plan, state) == ()


@settings(max_examples=150)
@given(plans(), st.sampled_from(["in_process", "external"]), st.lists(commands, max_size=12))
def test_any_commands_keep_terminal_states_and_end_with_the_last_task(plan, executor, sequence):
    story = Story(plan, executor, exclusive=True)
    for name, argument in sequence:
        before = story.state
        carry_out(story, name, argument)
        check(story, before)
        ended_now = story.state.has_ended and not before.has_ended
        assert (story.decision.slot_freed is not None) == ended_now


@settings(max_examples=100)
@given(plans(), st.data())
def test_run_ends_once_a_worker_has_run_all_ready_tasks(plan, data):
    story = Story(plan)
    story.claim()
    for _ in range(40):
        waiting = [task.path for task in ready_tasks(plan, story.state)]
        if not waiting:
            break
        path = data.draw(st.sampled_from(waiting))
        story.reports("TaskStarted", path)
        end = data.draw(st.sampled_from(ENDS))
        story.report(_event(story, end, path, data.draw(st.booleans()), None))
        check(story, Story(plan).state)
    assert story.state.has_ended
