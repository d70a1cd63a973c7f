"""Schemas and groups show what is below them, whatever the tree: Incorta's rules, on its words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from projections.read_models.load_plans.apply import document
from service.dialects.incorta import rendering
from tests.dialects.facts import run_facts

LOAD, END = "Load State", "Terminator State"
ENDED = ("succeeded", "warned", "failed", "cancelled", "skipped")
WORDS = {
    "pending": (LOAD, "In Queue"),
    "running": (LOAD, "In Progress"),
    "succeeded": (END, "Success"),
    "warned": (END, "Finished with Errors"),
    "failed": (END, "Failed"),
    "cancelled": (END, "Interrupted"),
    "skipped": (END, "Not Completed"),
}
BELOW = {"LOAD_PLAN": "GROUP", "GROUP": "SCHEMA", "SCHEMA": "TABLE"}


def trees(states):
    """Groups of schemas of tables, any of them empty, the tables in any of these states."""
    table = st.sampled_from(states).map(lambda state: {"name": "S.t", "state": state, "task": "T"})
    schema = st.lists(table, max_size=4).map(lambda each: {"name": "S", "tables": each})
    group = st.lists(schema, max_size=3).map(lambda each: {"name": "Group", "schemas": each})
    return st.lists(group, max_size=4)


def shown(run, groups, level=4):
    for group in groups:
        for schema in group["schemas"]:
            schema["state"] = "pending"
        group["state"] = "pending"
    return rendering.tree(document({"run": run, "groups": groups}), level)


def word(node):
    return node["status"]["stateType"], node["status"]["jobStatus"]


def rolled_up(words):
    """The reference's table; its "all alike" is also said of what was never attempted."""
    if not words:
        return (END, "Success")
    if any(state == LOAD for state, _ in words):
        return (LOAD, "In Queue" if set(words) == {(LOAD, "In Queue")} else "In Progress")
    if len(set(words)) == 1:
        return words[0]
    if (END, "Interrupted") in words:
        return (END, "Interrupted")
    return (END, "Finished with Errors")


def inner(node):
    """Every group and schema below a node."""
    for child in node.get("childStatusDetails", ()):
        if child["type"] != "TABLE":
            yield child
            yield from inner(child)


@given(trees(tuple(WORDS)), st.sampled_from(["queued", "running", "cancelling"]))
def test_every_schema_and_group_rolls_up_its_descendants(groups, status):
    plan = shown(run_facts(status), groups)
    for node in inner(plan):
        assert word(node) == rolled_up([word(child) for child in node["childStatusDetails"]])
    tables = [t for g in groups for s in g["schemas"] for t in s["tables"]]
    leaves = [
        child
        for node in inner(plan)
        if node["type"] == "SCHEMA"
        for child in node["childStatusDetails"]
    ]
    assert [word(leaf) for leaf in leaves] == [WORDS[table["state"]] for table in tables]
    assert word(plan) == (LOAD, "In Queue" if status == "queued" else "In Progress")


@given(trees(ENDED))
def test_failed_plan_says_whether_any_table_was_loaded(groups):
    states = {t["state"] for g in groups for s in g["schemas"] for t in s["tables"]}
    some = states & {"succeeded", "warned"}
    plan = shown(run_facts("failed", tasks_succeeded=3), groups)
    assert word(plan) == (END, "Finished with Errors" if some else "Failed")


@given(trees(tuple(WORDS)), st.sampled_from(["succeeded", "warned", "failed", "cancelled"]))
def test_nothing_is_open_below_an_ended_plan(groups, status):
    plan = shown(run_facts(status), groups)
    below = [child for node in (plan, *inner(plan)) for child in node["childStatusDetails"]]
    assert {state for state, _ in map(word, (plan, *below))} == {END}


@given(trees(tuple(WORDS)), st.integers(1, 4))
def test_level_truncates_the_tree_and_keeps_the_nodes_above(groups, level):
    run = run_facts("running")
    assert shown(run, groups, level) == cut(shown(run, groups), level)


def cut(node, level):
    copy = {name: value for name, value in node.items() if name != "childStatusDetails"}
    if level > 1 and "childStatusDetails" in node:
        assert {child["type"] for child in node["childStatusDetails"]} <= {BELOW[node["type"]]}
        copy["childStatusDetails"] = [cut(each, level - 1) for each in node["childStatusDetails"]]
    return copy
