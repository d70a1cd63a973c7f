"""Which tasks of a run a retry runs again, and that everybody sees the others as done."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.documents.flow import Plan, PlanGroup, PlanSchema, PlanTable, PlanTask
from projections.read_models.load_plans import PROJECTION as LOAD_PLANS
from projections.read_models.workflows import PROJECTION as WORKFLOWS
from service.errors import NotRetryable, RunNotFinished, UnknownGroup
from service.runs.domain.commands import RetryScope
from service.runs.domain.plans import ready_tasks
from service.runs.domain.retries import reused_tasks, task_groups
from service.runs.domain.state import TaskState
from tests.projections.histories import History, shown
from tests.runs.story import HOOKS, RUN, Story, running
from tests.unit.runs.test_properties import carry_out, commands, plans

EARLIER = "0b9f3c0e-9d3e-4f43-8f6b-0d7f2c2f9a11"
LOADS = Plan(
    (
        PlanTask("A", "A"),
        PlanTask("B", "B", ("A",)),
        PlanTask("C", "C", ("A",)),
        PlanTask("D", "D", ("B", "C")),
        PlanTask("CHECK", "CHECK", ("D",)),
        PlanTask("OK", "OK", hook="success"),
        PlanTask("KO", "KO", hook="failure"),
    ),
    tuple(
        PlanGroup(name, (PlanSchema("S", tuple(PlanTable(f"S.{task}", task) for task in tasks)),))
        for name, tasks in (("Group 1", "A"), ("Group 2", "BC"), ("Group 3", "D"))
    ),
)
"""Three groups, and a task that no table names."""


def ended(plan, status="failed", **tasks):
    """A run that ended with its tasks in these states; what is not named was skipped."""
    state = Story(plan).state
    state.status = status
    state.tasks = {path: TaskState(tasks.get(path, "skipped")) for path in plan.by_path}
    return state


def kept(plan, state, scope):
    return [each["task"] for each in reused_tasks(plan, state, scope)]


FAILED = ended(LOADS, A="succeeded", B="failed", C="warned", KO="succeeded")
DONE = ended(LOADS, "succeeded", **dict.fromkeys(("A", "B", "C", "D", "CHECK", "OK"), "succeeded"))


def test_a_retry_of_no_part_carries_nothing_over():
    assert kept(LOADS, FAILED, None) == []
    assert kept(LOADS, None, RetryScope()) == []


def test_of_what_is_not_done_the_rest_is_carried_over_as_it_ended():
    assert reused_tasks(LOADS, FAILED, RetryScope(only_incomplete=True)) == [
        {"task": "A", "run_id": RUN, "status": "succeeded"},
        {"task": "C", "run_id": RUN, "status": "warned"},
    ]


@pytest.mark.parametrize(("group", "tasks"), [(1, []), (2, ["A"]), (3, ["A", "B", "C"])])
def test_from_a_group_on_all_runs_again_done_or_not_and_what_waits_for_it(group, tasks):
    assert kept(LOADS, DONE, RetryScope(group)) == tasks


def test_from_a_group_on_only_what_is_not_done_there_runs_again():
    assert kept(LOADS, FAILED, RetryScope(2, only_incomplete=True)) == ["A", "C"]


def test_what_is_not_done_before_the_group_is_refused():
    for only in (False, True):
        with pytest.raises(NotRetryable, match="task B before group 3 is not done"):
            reused_tasks(LOADS, FAILED, RetryScope(3, only_incomplete=only))


def test_where_all_is_done_there_is_nothing_undone_to_retry():
    with pytest.raises(NotRetryable, match="from the start"):
        reused_tasks(LOADS, DONE, RetryScope(only_incomplete=True))


@pytest.mark.parametrize("group", [-1, 0, 4])
def test_a_group_that_the_plan_has_not_is_refused(group):
    with pytest.raises(UnknownGroup, match="the plan has groups 1 to 3"):
        reused_tasks(LOADS, FAILED, RetryScope(group))


@pytest.mark.parametrize("status", ["queued", "running", "cancelling"])
def test_no_part_of_an_open_run_runs_again(status):
    with pytest.raises(RunNotFinished, match=f"it is {status}; retry it when it has"):
        reused_tasks(LOADS, replace(FAILED, status=status), RetryScope())


def test_a_hook_is_never_carried_over():
    all_but_one = ended(HOOKS, OK="failed", **dict.fromkeys(("A", "G/B", "G/C"), "succeeded"))
    assert kept(HOOKS, all_but_one, RetryScope(only_incomplete=True)) == ["A", "G/B", "G/C"]


def test_what_is_new_in_the_flow_runs_and_what_waits_for_it():
    now = Plan(
        (
            PlanTask("A", "A"),
            PlanTask("NEW", "NEW"),
            PlanTask("B", "B", ("A", "NEW")),
            PlanTask("C", "C", ("A",)),
        )
    )
    assert kept(now, DONE, RetryScope(only_incomplete=True)) == ["A", "C"]


def test_a_task_carried_over_twice_names_the_run_in_which_it_was_done():
    second = replace(FAILED, reused_tasks={"A": EARLIER})
    assert [
        each["run_id"] for each in reused_tasks(LOADS, second, RetryScope(only_incomplete=True))
    ] == [
        EARLIER,
        RUN,
    ]


def test_a_flow_without_a_load_plan_has_its_steps_as_groups():
    assert task_groups(HOOKS) == [{"A"}, {"G/B", "G/C"}, {"D"}]


# The run that comes of it


CARRIED = [
    {"task": "A", "run_id": EARLIER, "status": "succeeded"},
    {"task": "C", "run_id": EARLIER, "status": "warned"},
]


def retried(executor="in_process", carried=CARRIED):
    return Story(LOADS, executor, carried=carried)


def test_what_is_carried_over_is_done_from_the_beginning():
    story = retried()
    assert story.statuses() == {
        "A": "succeeded",
        "B": "pending",
        "C": "warned",
        "D": "pending",
        "CHECK": "pending",
        "OK": "pending",
        "KO": "pending",
    }
    assert story.state.reused_tasks == {"A": EARLIER, "C": EARLIER}
    story.claim()
    assert [task.path for task in ready_tasks(LOADS, story.state)] == ["B"]


def test_a_run_that_carried_a_warning_over_ends_with_warnings():
    story = retried()
    story.claim()
    for task in ("B", "D", "CHECK", "OK"):
        story.says("TaskSucceeded", task)
    assert story.state.status == "warned"


def test_a_cancelled_run_leaves_what_it_carried_over_as_done():
    story = retried()
    story.cancel()
    assert [story.statuses()[path] for path in "ABCD"] == [
        "succeeded",
        "cancelled",
        "warned",
        "cancelled",
    ]


@pytest.mark.parametrize("kind", ["TaskStarted", "TaskSucceeded", "TaskFailed", "TaskSkipped"])
def test_nothing_can_be_reported_of_what_is_carried_over(kind):
    story = retried("external")
    story.says(kind, "A")
    assert story.verdicts == [("refused", 2, "the task is succeeded")]


def test_a_run_without_anything_carried_over_says_nothing_of_it():
    assert "carried" not in running(LOADS).events[0].data


def document(story, projection):
    history = History()
    history.register(plan=story.plan, executor=story.state.executor)
    history.queue(carried=story.events[0].data.get("carried", []))
    for event in story.events[1:]:
        history.tell(event.type, **event.data)
    return shown(projection, history)


@settings(max_examples=100, deadline=None)
@given(plans(), st.data(), st.lists(commands, max_size=6), st.lists(commands, max_size=6))
def test_every_reader_agrees_on_a_retried_part_whatever_happened_before_and_since(
    plan, data, before, since
):
    executor = data.draw(st.sampled_from(["in_process", "external"]))
    earlier = Story(plan, executor)
    for name, argument in before:
        carry_out(earlier, name, argument)
    earlier.cancel(force=True)
    groups = len(task_groups(plan))
    scope = RetryScope(data.draw(st.integers(1, groups)), only_incomplete=data.draw(st.booleans()))
    try:
        carried = reused_tasks(plan, earlier.state, scope)
    except NotRetryable:
        return
    story = Story(plan, executor, **({"carried": carried} if carried else {}))
    check_carried(plan, earlier.state, carried)
    for name, argument in since:
        carry_out(story, name, argument)
    said = {path: seen_from_outside(status) for path, status in story.statuses().items()}
    workflow = document(story, WORKFLOWS)
    assert {task["path"]: task["status"] for task in workflow["tasks"]} == said
    tree = document(story, LOAD_PLANS)
    tables = {
        t["task"]: t["state"] for g in tree["groups"] for s in g["schemas"] for t in s["tables"]
    }
    assert tables == {path: said[path] for path in tables}
    assert tree["run"]["tasks_succeeded"] == workflow["tasks_succeeded"]
    if not story.state.has_ended:
        done = [status for status in said.values() if status in {"succeeded", "warned"}]
        assert workflow["tasks_succeeded"] == len(done)


def seen_from_outside(status):
    return "running" if status == "retrying" else status


def check_carried(plan, earlier, carried):
    paths = {each["task"] for each in carried}
    assert len(paths) == len(carried) < sum(task.hook is None for task in plan.tasks)
    for each in carried:
        assert earlier.tasks[each["task"]].status == each["status"]
        assert set(plan.by_path[each["task"]].previous) <= paths
