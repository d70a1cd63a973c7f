"""A definition becomes its plan: task paths, dependencies and the load plan."""

import pytest

from projections.documents.flow import (
    Plan,
    PlanGroup,
    PlanSchema,
    PlanTable,
    PlanTask,
    plan_json,
    plan_of,
)
from service.flows.definitions import load_definitions


@pytest.fixture
def plan(folder):
    """Plan a flow of these lines."""

    def of(*lines: str) -> Plan:
        text = "".join(f"  {line}\n" for line in lines)
        (folder / "flows.yaml").write_text(f"example.FLOW:\n{text}")
        (definition,) = load_definitions(folder)
        return definition.plan

    return of


def waits(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {task.path: task.previous for task in plan.tasks}


def test_each_step_waits_for_the_one_before_and_is_a_group(plan):
    assert plan("tasks: [A, B]") == Plan(
        (PlanTask("A", "A"), PlanTask("B", "B", previous=("A",))),
        (
            PlanGroup("A", (PlanSchema("A", (PlanTable("A.A", "A"),)),)),
            PlanGroup("B", (PlanSchema("B", (PlanTable("B.B", "B"),)),)),
        ),
    )


def test_repeated_keys_are_numbered(plan):
    planned = plan("tasks: [A, A, A]")
    assert waits(planned) == {"A": (), "A#2": ("A",), "A#3": ("A#2",)}
    assert planned.groups[1] == PlanGroup("A#2", (PlanSchema("A#2", (PlanTable("A#2.A", "A#2"),)),))


def test_repeated_groups_are_numbered(plan):
    planned = plan("tasks:", "  - G: {type: group, tasks: [A]}", "  - G: {type: group, tasks: [A]}")
    assert waits(planned) == {"G/A": (), "G#2/A": ("G/A",)}
    assert planned.tasks[1].groups == ("G#2",)


def test_task_paths_are_unique_whatever_the_names(plan, folder):
    names = ["A#2", "G/A", "@success/OK"]
    (folder / "tasks" / "odd.py").write_text(
        "from service.tasks import task\n"
        f"for name in {names}:\n    task(name=name)(lambda *a, **k: None)\n"
    )
    planned = plan(
        "tasks:",
        "  - 'A#2'",
        "  - A",
        "  - A",
        "  - 'G/A'",
        "  - G: {type: group, tasks: [A]}",
        "  - '@success/OK'",
        "hooks: {success: OK}",
    )
    assert [task.path for task in planned.tasks] == [
        "A#2",
        "A",
        "A#3",
        "G/A",
        "G/A#2",
        "@success/OK#2",
        "@success/OK",
    ]


def test_group_waits_for_the_step_before_and_the_next_step_for_all_of_it(plan):
    planned = plan("tasks:", "  - A", "  - G: {type: group, tasks: [B, C]}", "  - D")
    assert planned == Plan(
        (
            PlanTask("A", "A"),
            PlanTask("G/B", "B", previous=("A",), groups=("G",)),
            PlanTask("G/C", "C", previous=("A",), groups=("G",)),
            PlanTask("D", "D", previous=("G/B", "G/C")),
        ),
        (
            PlanGroup("A", (PlanSchema("A", (PlanTable("A.A", "A"),)),)),
            PlanGroup("G", (PlanSchema("G", (PlanTable("G.B", "G/B"), PlanTable("G.C", "G/C"))),)),
            PlanGroup("D", (PlanSchema("D", (PlanTable("D.D", "D"),)),)),
        ),
    )


def test_chains_and_groups_nest(plan):
    planned = plan(
        "tasks:",
        "  - A",
        "  - G:",
        "      type: group",
        "      tasks:",
        "        - LEFT: {type: chain, tasks: [A, B]}",
        "        - RIGHT: {type: group, tasks: [C, {LAST: {type: chain, tasks: [C, D]}}]}",
        "  - D",
    )
    assert waits(planned) == {
        "A": (),
        "G/LEFT/A": ("A",),
        "G/LEFT/B": ("G/LEFT/A",),
        "G/RIGHT/C": ("A",),
        "G/RIGHT/LAST/C": ("A",),
        "G/RIGHT/LAST/D": ("G/RIGHT/LAST/C",),
        "D": ("G/LEFT/B", "G/RIGHT/C", "G/RIGHT/LAST/D"),
    }
    assert planned.by_path["G/RIGHT/LAST/D"].groups == ("G", "RIGHT", "LAST")
    assert [table.name for table in planned.groups[1].schemas[0].tables] == [
        "G.LEFT/A",
        "G.LEFT/B",
        "G.RIGHT/C",
        "G.RIGHT/LAST/C",
        "G.RIGHT/LAST/D",
    ]


def test_tasks_carry_their_options(plan):
    planned = plan(
        "tasks:",
        "  - A: {retries: 2, timeout: 5}",
        "  - LIST:",
        "      type: command",
        "      command: [ls, -l]",
        "      environment: {LANG: C}",
        "      directory: data",
        "      timeout: 0.5",
        "  - B: {}",
    )
    assert planned.tasks == (
        PlanTask("A", "A", retries=2, timeout_s=5.0),
        PlanTask(
            "LIST",
            "LIST",
            previous=("A",),
            type="command",
            timeout_s=0.5,
            options={"command": ["ls", "-l"], "environment": {"LANG": "C"}, "directory": "data"},
        ),
        PlanTask("B", "B", previous=("LIST",)),
    )


def test_hooks_can_have_options_and_an_empty_one_is_left_out(plan):
    planned = plan(
        "tasks: [A]",
        "hooks:",
        "  success:",
        "  failure: {MAIL: {type: command, command: [mail], retries: 1}}",
    )
    assert planned.tasks[1:] == (
        PlanTask(
            "@failure/MAIL",
            "MAIL",
            hook="failure",
            type="command",
            retries=1,
            options={"command": ["mail"]},
        ),
    )


def test_hooks_are_not_in_the_load_plan(plan):
    planned = plan("tasks: [A]", "hooks: {success: OK, failure: KO}")
    assert [group.name for group in planned.groups] == ["A"]


def test_load_plan_names_tasks_by_path_or_unique_key(plan):
    planned = plan(
        "tasks: [A, A, B]",
        "load_plan:",
        "  groups:",
        "    - name: Second first",
        "      schemas:",
        "        - name: Sales",
        "          tables:",
        "            - {name: orders, task: 'A#2'}",
        "            - {name: Sales.lines, task: A}",
        "    - name: Group 2",
        "      schemas:",
        "        - name: Stock",
        "          tables: [{name: items, task: B}]",
    )
    sales = (PlanTable("Sales.orders", "A#2"), PlanTable("Sales.lines", "A"))
    assert planned.groups == (
        PlanGroup("Second first", (PlanSchema("Sales", sales),)),
        PlanGroup("Group 2", (PlanSchema("Stock", (PlanTable("Stock.items", "B"),)),)),
    )


def test_duplicate_names_in_a_load_plan_are_refused(diagnostics):
    text = (
        "a.B:\n  tasks: [A]\n  load_plan:\n    groups:\n"
        "      - {name: G, schemas: [{name: S, tables: [{name: t, task: A}]}]}\n"
        "      - {name: G, schemas: [{name: S, tables: [{name: t, task: A}]}]}\n"
    )
    assert diagnostics(text) == [
        (5, "load_plan: duplicate name 'G'"),
        (6, "load_plan: duplicate name 'G'"),
    ]


def test_tasks_of_an_external_flow_need_not_exist(plan):
    planned = plan("tasks: [ELSEWHERE]", "executor: external", "hooks: {success: THERE}")
    assert [task.path for task in planned.tasks] == ["ELSEWHERE", "@success/THERE"]


def test_plan_round_trips_through_json(plan):
    planned = plan("tasks:", "  - A: {timeout: 1}", "  - G: {type: group, tasks: [B, C]}")
    assert plan_of(plan_json(planned)) == planned
