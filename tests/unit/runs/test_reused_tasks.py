"""Which tasks a retry reuses, and that all read models show them as complete."""

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


def reused_paths(plan, state, scope):
    return [each["task"] for each in reused_tasks(plan, state, scope)]


FAILED = ended(LOADS, A="succeeded", B="failed", C="warned", KO="succeeded")
DONE = ended(LOADS, "succeeded", **dict.fromkeys(("A", "B", "C", "D", "CHECK", "OK"), "succeeded"))


def test_retry_without_a_scope_reuses_no_task():
    assert reused_paths(LOADS, FAILED, None) == []
    assert reused_paths(LOADS, None, RetryScope()) == []


def test_retry_of_incomplete_tasks_reuses_the_others_with_their_status():
    assert reused_tasks(LOADS, FAILED, RetryScope(only_incomplete=True)) == [
        {"task": "A", "run_id": RUN, "status": "succeeded"},
        {"task": "C", "run_id": RUN, "status": "warned"},
    ]


@pytest.mark.parametrize(("group", "tasks"), [(1, []), (2, ["A"]), (3, ["A", "B", "C"])])
def test_retry_from_a_group_runs_all_tasks_from_there_on(group, tasks):
    assert reused_paths(LOADS, DONE, RetryScope(group)) == tasks


def test_retry_of_incomplete_tasks_from_a_group_reuses_completed_ones():
    assert reused_paths(LOADS, FAILED, RetryScope(2, only_incomplete=True)) == ["A", "C"]


def test_retry_from_a_group_with_an_incomplete_task_before_it_is_refused():
    for only in (False, True):
        with pytest.raises(NotRetryable, match="task B before group 3 is not done"):
            reused_tasks(LOADS, FAILED, RetryScope(3, only_incomplete=only))


def test_retry_of_incomplete_tasks_is_refused_if_all_are_complete():
    with pytest.raises(NotRetryable, match="from the start"):
        reused_tasks(LOADS, DONE, RetryScope(only_incomplete=True))


@pytest.mark.parametrize("group", [-1, 0, 4])
def test_retry_from_a_missing_group_is_refused(group):
    with pytest.raises(UnknownGroup, match="the plan has groups 1 to 3"):
        reused_tasks(LOADS, FAILED, RetryScope(group))


@pytest.mark.parametrize("status", ["queued", "running", "cancelling"])
def test_scoped_retry_of_an_open_run_is_refused(status):
    with pytest.raises(RunNotFinished, match=f"it is {status}; retry it when it has"):
        reused_tasks(LOADS, replace(FAILED, status=status), RetryScope())


def test_hooks_are_never_reused():
    all_but_one = ended(HOOKS, OK="failed", **dict.fromkeys(("A", "G/B", "G/C"), "succeeded"))
    assert reused_paths(HOOKS, all_but_one, RetryScope(only_incomplete=True)) == ["A", "G/B", "G/C"]


def test_task_that_is_new_in_the_flow_runs_with_those_downstream():
    now = Plan(
        (
            PlanTask("A", "A"),
            PlanTask("NEW", "NEW"),
            PlanTask("B", "B", ("A", "NEW")),
            PlanTask("C", "C", ("A",)),
        )
    )
    assert reused_paths(now, DONE, RetryScope(only_incomplete=True)) == ["A", "C"]


def test_task_reused_twice_names_the_run_in_which_it_was_done():
    second = replace(FAILED, reused_tasks={"A": EARLIER})
    assert [
        each["run_id"] for each in reused_tasks(LOADS, second, RetryScope(only_incomplete=True))
    ] == [
        EARLIER,
        RUN,
    ]


def test_groups_of_a_flow_without_a_load_plan_are_its_steps():
    assert task_groups(HOOKS) == [{"A"}, {"G/B", "G/C"}, {"D"}]


# The run that comes of it


CARRIED = [
    {"task": "A", "run_id": EARLIER, "status": "succeeded"},
    {"task": "C", "run_id": EARLIER, "status": "warned"},
]


def retried(executor="in_process", carried=CARRIED):
    return Story(LOADS, executor, carried=carried)


def test_reused_tasks_are_complete_from_the_beginning():
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


def test_run_that_reuses_a_warned_task_ends_warned():
    story = retried()
    story.claim()
    for task in ("B", "D", "CHECK", "OK"):
        story.reports("TaskSucceeded", task)
    assert story.state.status == "warned"


def test_cancel_leaves_reused_tasks_complete():
    story = retried()
    story.cancel()
    assert [story.statuses()[path] for path in "ABCD"] == [
        "succeeded",
        "cancelled",
        "warned",
        "cancelled",
    ]


@pytest.mark.parametrize("kind", ["TaskStarted", "TaskSucceeded", "TaskFailed", "TaskSkipped"])
def test_report_on_a_reused_task_is_refused(kind):
    story = retried("external")
    story.reports(kind, "A")
    assert story.verdicts == [("refused", 2, "the task is succeeded")]


def test_run_without_reused_tasks_has_no_carried_member():
    assert "carried" not in running(LOADS).events[0].data


def document(story, projection):
    history = History()
    history.register(plan=story.plan, executor=story.state.executor)
    history.queue(carried=story.events[0].data.get("carried", []))
    for event in story.events[1:]:
        history.tell(event.type, **event.data)
    return shown(projection, history)


@settings(max_examples=100)
@given(plans(), st.data(), st.lists(commands, max_size=6), st.lists(commands, max_size=6))
def test_read_models_agree_with_the_decider_on_a_scoped_retry(plan, data, before, since):
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
    statuses = {path: shown_status(status) for path, status in story.statuses().items()}
    workflow = document(story, WORKFLOWS)
    assert {task["path"]: task["status"] for task in workflow["tasks"]} == statuses
    tree = document(story, LOAD_PLANS)
    tables = {
        t["task"]: t["state"] for g in tree["groups"] for s in g["schemas"] for t in s["tables"]
    }
    assert tables == {path: statuses[path] for path in tables}
    assert tree["run"]["tasks_succeeded"] == workflow["tasks_succeeded"]
    if not story.state.has_ended:
        done = [status for status in statuses.values() if status in {"succeeded", "warned"}]
        assert workflow["tasks_succeeded"] == len(done)


def shown_status(status):
    return "running" if status == "retrying" else status


def check_carried(plan, earlier, carried):
    paths = {each["task"] for each in carried}
    assert len(paths) == len(carried) < sum(task.hook is None for task in plan.tasks)
    for each in carried:
        assert earlier.tasks[each["task"]].status == each["status"]
        assert set(plan.by_path[each["task"]].previous) <= paths
