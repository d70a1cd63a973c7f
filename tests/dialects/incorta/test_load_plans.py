"""What a load plan's execution shows, and in which order a request is checked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from service.dialects.incorta.errors import PlanBusy
from tests.dialects.incorta.vendor import VENDOR
from tests.dialects.suite import NAMES, Call, vendor

L, T = "Load State", "Terminator State"


@pytest.fixture
def get(server):
    def send(target, key="operator"):
        return server.ask(VENDOR.sign(Call("GET", target), server.keys[key]))

    return send


def words(node):
    return node["status"]["stateType"], node["status"]["jobStatus"]


@pytest.mark.parametrize(
    ("state", "plan", "first", "second"),
    [
        ("queued", (L, "In Queue"), (L, "In Queue"), (L, "In Queue")),
        ("running", (L, "In Progress"), (L, "In Progress"), (L, "In Queue")),
        ("failing", (L, "In Progress"), (T, "Failed"), (L, "In Progress")),
        ("cancelling", (L, "In Progress"), (L, "In Progress"), (L, "In Queue")),
        ("succeeded", (T, "Success"), (T, "Success"), (T, "Success")),
    ],
)
def test_groups_roll_up_their_members(get, run_in, state, plan, first, second):
    shown = get(VENDOR.status(run_in(state)).target + "?level=4").json
    groups = shown["childStatusDetails"]
    assert (words(shown), *map(words, groups)) == (plan, first, second)
    for group in groups:
        (schema,) = group["childStatusDetails"]
        (table,) = schema["childStatusDetails"]
        assert words(table) == words(schema) == words(group)
        assert "childStatusDetails" not in table


@pytest.mark.parametrize("state", ["succeeded", "warned", "failed", "cancelled"])
def test_nothing_below_an_ended_plan_is_open(get, run_in, state):
    def closed(node):
        return node["status"]["stateType"] == T and all(
            closed(child) for child in node.get("childStatusDetails", ())
        )

    assert closed(get(VENDOR.status(run_in(state)).target + "?level=4").json)


def test_partly_succeeded_failed_plan_finished_with_errors(get, server, run_in):
    run = run_in("running")
    server.report(
        run,
        [
            ("TaskSucceeded", "BOTH/ORDERS", {}),
            ("TaskStarted", "BOTH/ITEMS", {}),
            ("TaskFailed", "BOTH/ITEMS", {}),
        ],
    )
    server.report(run, [("RunFailed", None, {})])
    assert words(get(VENDOR.status(run).target).json) == (T, "Finished with Errors")


def test_flow_without_a_load_plan_has_its_steps_as_groups(get, queued):
    shown = get(VENDOR.status(queued("suite.OTHER")).target + "?level=4").json
    (group,) = shown["childStatusDetails"]
    (schema,) = group["childStatusDetails"]
    (table,) = schema["childStatusDetails"]
    assert (group["name"], schema["name"], table["name"]) == ("ONLY", "ONLY", "ONLY.ONLY")


def test_token_is_checked_first_then_tenant_integer_level_and_existence(server, get):
    wrong = "/incorta/api/v2/Default/load-plan/status/abc?level=x"
    assert server.ask(Call("GET", wrong)).status == 401
    assert get(wrong).json == {"message": "Invalid [Default] tenant in resource path"}
    own = "/incorta/api/v2/default/load-plan/status"
    assert get(f"{own}/abc?level=7").status == 400
    assert get(f"{own}/2147483647?level=x").status == 400
    assert get(f"{own}/2147483647?level=7").status == 422
    assert get(f"{own}/2147483647?level=4").status == 404


def test_token_of_another_tenant_gets_the_tenants_refusal(get, run_in):
    answer = get(VENDOR.status(run_in("running")).target, "stranger")
    assert answer.json == {"message": "Invalid [default] tenant in resource path"}


def test_tenant_is_checked_before_the_role_and_the_role_before_the_body(server, run_in):
    run = run_in("running")
    for start in (VENDOR.start(run), VENDOR.restart(run)):
        elsewhere = Call("POST", start.target.replace("/default/", "/Default/"), b"{")
        malformed = Call("POST", start.target, b"{")
        for call, status in ((elsewhere, 404), (malformed, 403)):
            answer = server.ask(VENDOR.sign(call, server.keys["viewer"]))
            assert answer.status == status


@pytest.mark.parametrize("role", ["viewer", "auditor", "operator"])
def test_every_role_can_read(get, run_in, role):
    assert get(VENDOR.status(run_in("running")).target, role).status == 200


def test_plan_executes_once_at_a_time_and_again_after_its_end(server, queued):
    call = VENDOR.sign(VENDOR.start(queued("suite.ONCE")), server.keys["operator"])
    first = server.ask(call)
    assert first.status == 200
    second = server.ask(call)
    assert (second.status, second.json["message"][:13]) == (400, "INC_05290501:")
    run = server.newest("suite.ONCE")
    assert run["run_number"] == first.json["loadPlanExecutionId"]
    server.cancel(run, force=True)
    third = server.ask(call)
    assert third.status == 200
    server.cancel(server.newest("suite.ONCE"), force=True)


# Restart


@pytest.fixture
def plan(server, queued):
    """A load plan of two groups that an execution of Incorta's runs, and what asks about it."""
    return LoadPlan(server, queued("suite.RESTARTED"))


class LoadPlan:
    def __init__(self, server, run):
        self.server, self.run = server, run
        self.server.cancel(run, force=True)

    def ask(self, call, key=None):
        call = call.having(Idempotency_Key=key) if key else call
        return self.server.ask(VENDOR.sign(call, self.server.keys["operator"]))

    def execute(self, key=None):
        return self.started(self.ask(VENDOR.start(self.run), key))

    def restart(self, *args, key=None, **more):
        return self.started(self.ask(VENDOR.restart(self.run, *args, **more), key))

    def started(self, answer):
        assert answer.status == 200, answer.body
        run = self.server.newest(self.run["flow"]["fullname"])
        assert run["run_number"] == answer.json["loadPlanExecutionId"]
        return run

    def refused(self, *args, **more):
        answer = self.ask(VENDOR.restart(self.run, *args, **more))
        return answer.status, answer.json["message"]

    def tree(self, run):
        shown = self.ask(Call("GET", VENDOR.status(run).target + "?level=4")).json
        tables = [
            words(table)[1]
            for group in shown["childStatusDetails"]
            for schema in group["childStatusDetails"]
            for table in schema["childStatusDetails"]
        ]
        return words(shown), tables

    def report(self, run, *facts):
        results = self.server.report(run, [(kind, task, {}) for kind, task in facts])
        assert {result["outcome"] for result in results} == {"recorded"}, results

    def failed_in_group_2(self):
        run = self.execute()
        self.report(run, ("TaskSucceeded", "EXTRACT"), ("TaskWarned", "LOAD/ORDERS"))
        self.report(run, ("TaskFailed", "LOAD/ITEMS"))
        assert self.tree(run) == (
            (T, "Finished with Errors"),
            ["Success", "Finished with Errors", "Failed", "Not Completed"],
        )
        return run

    def end(self, run):
        self.server.cancel(run, force=True)


@pytest.mark.parametrize("group", [0, 1])
def test_plan_restarts_from_the_start(plan, server, group):
    first = plan.failed_in_group_2()
    second = plan.restart(group)
    assert plan.tree(second) == ((L, "In Queue"), ["In Queue"] * 4)
    assert server.read(second)["retry_of"] == first["run_id"]
    plan.end(second)


def test_restart_from_a_group_counts_earlier_groups_as_done(plan, server):
    first = plan.failed_in_group_2()
    second = plan.restart(2)
    assert plan.tree(second) == (
        (L, "In Queue"),
        ["Success", "In Queue", "In Queue", "In Queue"],
    )
    assert server.read(second)["retry_of"] == first["run_id"]
    plan.report(second, ("TaskSucceeded", "LOAD/ORDERS"), ("TaskSucceeded", "LOAD/ITEMS"))
    assert plan.tree(second) == (
        (L, "In Progress"),
        ["Success", "Success", "Success", "In Queue"],
    )
    plan.report(second, ("TaskSucceeded", "MART"))
    assert plan.tree(second) == ((T, "Success"), ["Success"] * 4)


@pytest.mark.parametrize("group", [0, 1, 2])
def test_restart_of_failures_keeps_other_results(plan, group):
    first = plan.failed_in_group_2()
    second = plan.restart(group, recentLoadPlanExecution=first["run_number"])
    done = ["Success", "Finished with Errors"]
    assert plan.tree(second) == ((L, "In Queue"), [*done, "In Queue", "In Queue"])
    plan.report(second, ("TaskFailed", "LOAD/ITEMS"))
    ended = ((T, "Finished with Errors"), [*done, "Failed", "Not Completed"])
    assert plan.tree(second) == ended
    third = plan.restart(group, recentLoadPlanExecution=second["run_number"])
    plan.report(third, ("TaskSucceeded", "LOAD/ITEMS"), ("TaskSucceeded", "MART"))
    assert plan.tree(third) == ((T, "Finished with Errors"), [*done, "Success", "Success"])
    assert plan.tree(second) == ended


def test_tasks_not_rerun_are_done_in_every_dialect_and_as_of_the_past(plan, server):
    first = plan.failed_in_group_2()
    second = plan.restart(2, recentLoadPlanExecution=first["run_number"])
    operator = server.keys["operator"]

    def shown(name, moment=None):
        call = vendor(name).sign(vendor(name).status(second), operator)
        return server.ask(call.having(Flowledger_As_Of=str(moment)) if moment else call)

    for name in NAMES:
        assert vendor(name).word(shown(name), second) == vendor(name).words["queued"]
    tasks = shown("director").json["tasks"]
    assert [task["status"] for task in tasks] == ["success", "success", "pending", "pending"]
    before = {name: shown(name).json for name in ("director", "incorta", "etlworks", "invision")}
    position = server.head()
    plan.report(second, ("TaskSucceeded", "LOAD/ITEMS"), ("TaskSucceeded", "MART"))
    for name, answer in before.items():
        assert shown(name, position).json == answer
    for name in NAMES:
        assert vendor(name).word(shown(name), second) == vendor(name).words["warned"]


def test_executing_plan_cannot_be_restarted(plan):
    first = plan.execute()
    busy = (400, PlanBusy().detail)
    assert plan.refused(1) == busy
    assert plan.refused(2) == busy
    assert plan.refused(1, recentLoadPlanExecution=first["run_number"]) == busy
    plan.end(first)


def test_one_of_concurrent_restarts_wins(plan, server):
    plan.failed_in_group_2()
    call = VENDOR.sign(VENDOR.restart(plan.run, 2), server.keys["operator"])
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(server.ask, [call] * 6))
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400, 400, 400]
    plan.end(server.newest("suite.RESTARTED"))


def test_restart_without_anything_to_restart_is_refused(plan, server, queued):
    first = plan.failed_in_group_2()
    assert plan.refused(4) == (422, "Invalid groupSequence [4]. Valid values are 1 to 3")
    status, detail = plan.refused(3)
    assert (status, detail[:49]) == (400, "task LOAD/ITEMS before group 3 is not done: retry")
    other = queued("suite.OTHER")["run_number"]
    assert plan.refused(1, recentLoadPlanExecution=other) == (
        404,
        f"INC_05291904: The LOAD_PLAN of ID [{other}] cannot be found.",
    )
    second = plan.restart(1, recentLoadPlanExecution=first["run_number"])
    plan.report(second, ("RunSucceeded", None))
    status, detail = plan.refused(1, recentLoadPlanExecution=second["run_number"])
    assert (status, detail) == (400, "nothing of the run is left to do: retry it from the start")


def test_plan_that_was_never_executed_has_nothing_to_restart(server, run_in):
    body = {"loadPlanName": "suite.IDLE", "groupSequence": 1}
    call = VENDOR.restart(run_in("running")).sending(body)
    answer = server.ask(VENDOR.sign(call, server.keys["operator"]))
    assert answer.status == 404
    assert answer.json == {"message": "The load plan [suite.IDLE] has no execution to restart."}


@pytest.mark.parametrize("group", [1, 2])
def test_restart_with_the_same_key_is_the_same_execution(plan, server, group):
    plan.failed_in_group_2()
    key = str(uuid4())
    first = plan.restart(group, key=key)
    head = server.head()
    assert plan.restart(group, key=key) == first
    assert server.head() == head
    plan.end(first)
    assert plan.restart(group, key=key)["run_id"] == first["run_id"]


def test_key_used_by_another_vendors_start_conflicts_in_execute(plan, server, queued):
    key, operator = str(uuid4()), server.keys["operator"]
    first = server.ask(
        vendor("invision").sign(
            vendor("invision").start(plan.run).having(Idempotency_Key=key), operator
        )
    )
    assert first.status == 200
    plan.end(server.newest("suite.RESTARTED"))
    assert plan.ask(VENDOR.start(plan.run), key).status == 422
    assert plan.ask(VENDOR.restart(plan.run), key).status == 422
