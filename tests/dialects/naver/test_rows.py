"""A row for each job of a run, where the flow's file says so, against the same told plainly."""

from __future__ import annotations

import random

import pytest

from service.dialects.naver import ids
from tests.dialects.naver.desk import Desk
from tests.dialects.suite import vendor

FLOW = "rowed.ETL"
VERSIONS = [
    ("tasks", ["A", "B"]),
    ("runs", ["A", "B"]),
    ("tasks", ["A", "C", "D"]),
    ("tasks", ["A", "B", "D"]),
    ("runs", ["A"]),
    ("tasks", ["B"]),
]
TOLD = [
    (),
    ("TaskStarted A",),
    ("TaskStarted A", "TaskSucceeded A"),
    ("RunStarted", "RunSucceeded"),
    ("TaskStarted A", "TaskFailed A", "RunFailed"),
]
WORDS = {
    "pending": "READY",
    "running": "RUNNING",
    "succeeded": "COMPLETED",
    "failed": "FAILED",
    "skipped": "CANCELED",
}


def text(rows, tasks):
    steps = "".join(f"\n    - {task}: {{timeout: 90}}" for task in tasks)
    return f"{FLOW}:\n  executor: external\n  rows: {rows}\n  tasks:{steps}\n"


class Story:
    """Runs of all versions, and the position after each step."""

    def __init__(self, server, file):
        self.file = file
        self.chance = random.Random(4)
        self.runs = []  # newest last: the run's id, its number, and the tasks it is listed by
        self.positions = []
        file.write_text(text(*VERSIONS[0]))
        self.desk = Desk.opened(server, "rowed", file)

    def unfold(self):
        for rows, tasks in VERSIONS:
            self.file.write_text(text(rows, tasks))
            self.desk.load(self.file)
            for _ in range(self.chance.randrange(2, 6)):
                self._run(tasks, by_task=rows == "tasks")
        return self

    def _run(self, tasks, *, by_task):
        assert self.desk.ask("POST", self.desk.path(FLOW)).status == 202
        run = self.desk.newest(FLOW)
        self.runs.append((run["run_id"], run["run_number"], tasks if by_task else None))
        facts = self.chance.choice(TOLD) if "A" in tasks else ()
        if facts:
            self.desk.report(FLOW, *facts)
        self.positions.append((self.desk.server.head(), len(self.runs)))

    def rows(self, count=None):
        """Every row, newest run first: the execution's id, and the task or None."""
        found = []
        for _, number, tasks in reversed(self.runs[:count]):
            if tasks is None:
                found.append((ids.execution_id(number), None))
            else:
                found += [(ids.execution_id(number, n), task) for n, task in enumerate(tasks, 1)]
        return found

    def job(self, task):
        return next(
            job_id
            for job_id, path in ids.task_jobs("rowed", FLOW, ("A", "B", "C", "D")).items()
            if path == task
        )


@pytest.fixture(scope="module")
def story(server, tmp_path_factory):
    return Story(server, tmp_path_factory.mktemp("rowed") / "flows.yaml").unfold()


def named(page):
    return [row["jobExecutionId"] for row in page["list"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 50])
def test_pages_of_rows_hold_every_row_once(story, limit):
    wanted = [name for name, _ in story.rows()]
    found = []
    for page in range(len(wanted) // limit + 2):
        part = story.desk.list(FLOW, f"?page={page}&limit={limit}")
        assert (part["count"], part["page"], part["limit"]) == (len(wanted), page, limit)
        found += named(part)
    assert found == wanted


def test_pages_of_rows_as_of_a_position_match_those_of_that_time(story):
    for position, count in story.positions:
        wanted = [name for name, _ in story.rows(count)]
        for page, limit in ((0, 4), (1, 4), (0, 1000), (2, 3), (0, 0)):
            path = f"{story.desk.path(FLOW)}?page={page}&limit={limit}"
            past = story.desk.get(path, position)
            assert named(past) == wanted[page * limit : (page + 1) * limit]
            assert past["count"] == len(wanted)


@pytest.mark.parametrize("task", ["A", "B", "C", "D"])
def test_executions_of_a_job_are_only_its_rows(story, task):
    path = f"/api/v1/jobs/{story.job(task)}/executions"
    wanted = [name for name, of in story.rows() if of == task]
    assert named(story.desk.get(path)) == wanted
    for page in range(len(wanted) + 1):
        part = story.desk.get(f"{path}?page={page}&limit=1")
        assert (named(part), part["count"]) == (wanted[page : page + 1], len(wanted))
    position, count = story.positions[len(story.positions) // 2]
    past = story.desk.get(path, position)
    assert named(past) == [name for name, of in story.rows(count) if of == task]


def test_row_shows_the_status_of_its_task(story):
    rows = {row["jobExecutionId"]: row for row in story.desk.list(FLOW, "")["list"]}
    for run_id, number, tasks in story.runs:
        run = story.desk.own("GET", f"/v1/runs/{run_id}")
        standing = {task["path"]: task["status"] for task in run["tasks"]}
        for row, task in enumerate(tasks or (), 1):
            shown = rows[ids.execution_id(number, row)]
            assert (shown["jobName"], shown["jobId"]) == (task, story.job(task))
            assert shown["status"] == WORDS[standing[task]]
            assert (shown["endDate"] is None) == (standing[task] in {"pending", "running"})
            assert shown["jobCondition"]["timeout"] == 2
            assert shown["triggerName"] == FLOW


def timeless(row):
    return row | {"waitingTime": None, "runningTime": None} if row["endDate"] is None else row


def test_single_execution_equals_its_row_in_the_list(story):
    position = story.desk.server.head()
    for row in story.desk.list(FLOW, "")["list"]:
        path = f"/api/v1/jobs/{row['jobId']}/executions/{row['jobExecutionId']}"
        assert timeless(story.desk.get(path)) == timeless(row)
        assert timeless(story.desk.get(path, position)) == timeless(row)


def test_whole_run_stays_readable_by_its_common_id(story):
    whole = story.desk.ids(FLOW)["jobId"]
    listed = story.desk.get(f"/api/v1/jobs/{whole}/executions")
    assert listed["count"] == len(story.runs)
    for run_id, _, _ in story.runs:
        name = story.desk.own("GET", f"/v1/runs/{run_id}")["vendor_ids"]["naver"]["jobExecutionId"]
        assert name in named(listed)
        shown = story.desk.get(f"/api/v1/jobs/{whole}/executions/{name}")
        assert (shown["jobId"], shown["jobName"]) == (whole, FLOW)


def test_row_of_another_job_another_run_or_no_run_is_not_found(story):
    (_, number, tasks) = next(run for run in story.runs if run[2])
    whole = story.desk.ids(FLOW)["jobId"]
    unlisted = next(number for _, number, tasks in story.runs if tasks is None)
    wrong = [
        (story.job(tasks[0]), ids.execution_id(number, 2)),
        (story.job(tasks[0]), ids.execution_id(number)),
        (story.job(tasks[0]), ids.execution_id(number, len(tasks) + 1)),
        (whole, ids.execution_id(number, 1)),
        (story.job("A"), ids.execution_id(unlisted, 1)),
        (story.job("A"), ids.execution_id(2**31 - 1, 1)),
    ]
    for job, execution in wrong:
        answer = story.desk.ask("GET", f"/api/v1/jobs/{job}/executions/{execution}")
        assert (answer.status, answer.json["errorType"]) == (404, "not-found")
        assert answer.json["detail"] == f"Job execution {execution} does not exist."


def test_rows_are_filtered_by_workflow_name(story):
    assert story.desk.list(FLOW, "?filter=etl&limit=0")["count"] == len(story.rows())
    none = story.desk.list(FLOW, "?filter=nightly")
    assert (none["list"], none["count"]) == ([], 0)


@pytest.fixture(scope="module")
def graph(server, tmp_path_factory):
    """A workflow of four jobs and a hook, listed by job."""
    file = tmp_path_factory.mktemp("graph") / "flows.yaml"
    file.write_text(
        "graph.ETL:\n  executor: external\n  rows: tasks\n  hooks: {failure: ALARM}\n"
        "  tasks:\n    - FIRST\n    - BOTH: {type: group, tasks: [X, Y]}\n    - LAST\n"
        "graph.SOON:\n  executor: external\n  rows: tasks\n  tasks: [A]\n"
    )
    return Desk.opened(server, "graph", file)


def test_jobs_are_workflow_nodes_below_their_dependencies(graph):
    shown = graph.get(f"/api/v1/workflows/{graph.ids('graph.ETL')['workflowId']}")
    nodes = {node["name"]: node for node in shown["nodes"]}
    assert list(nodes) == ["FIRST", "BOTH/X", "BOTH/Y", "LAST", "graph.ETL"]
    parents = {name: set(node["parentNodeIds"]) for name, node in nodes.items()}
    by_name = {name: node["id"] for name, node in nodes.items()}
    assert parents == {
        "FIRST": {by_name["graph.ETL"]},
        "BOTH/X": {by_name["FIRST"]},
        "BOTH/Y": {by_name["FIRST"]},
        "LAST": {by_name["BOTH/X"], by_name["BOTH/Y"]},
        "graph.ETL": set(),
    }


def test_jobs_are_listed_with_their_status_in_the_newest_run(graph):
    graph.start("graph.ETL")
    graph.report("graph.ETL", "TaskStarted FIRST", "TaskSucceeded FIRST", "TaskStarted BOTH/X")
    rows = {row["name"]: row for row in graph.get("/api/v1/jobs")["list"]}
    assert {name: (row["status"], row["lastExecutionStatus"]) for name, row in rows.items()} == {
        "FIRST": ("RUNNABLE", "COMPLETED"),
        "BOTH/X": ("RUNNING", "RUNNING"),
        "BOTH/Y": ("RUNNABLE", "READY"),
        "LAST": ("RUNNABLE", "READY"),
        "A": ("RUNNABLE", None),
    }
    assert [row["name"] for row in graph.get("/api/v1/jobs?status=RUNNING")["list"]] == ["BOTH/X"]
    assert graph.get("/api/v1/jobs?name=both")["count"] == 2
    job = graph.get(f"/api/v1/jobs/{rows['BOTH/X']['jobId']}")
    assert (job["name"], job["status"]) == ("BOTH/X", "RUNNING")
    graph.report("graph.ETL", "RunFailed")
    words = [row["status"] for row in graph.list("graph.ETL", "?limit=4")["list"]]
    assert words == ["COMPLETED", "FAILED", "CANCELED", "CANCELED"]


def test_job_cannot_be_executed_without_its_workflow(graph):
    (row,) = graph.get("/api/v1/jobs?name=BOTH/X")["list"]
    head = graph.server.head()
    answer = graph.ask("POST", f"/api/v1/jobs/{row['jobId']}/executions")
    assert (answer.status, answer.json["errorType"]) == (400, "bad-state")
    assert "graph.ETL" in answer.json["detail"]
    vendor("naver").check_error(answer, None)
    assert graph.server.head() == head


def test_cancelling_a_job_cancels_its_run_unless_the_job_has_ended(graph):
    graph.start("graph.ETL")
    graph.report("graph.ETL", "TaskStarted FIRST", "TaskSucceeded FIRST", "TaskStarted BOTH/X")
    paths = [
        f"/api/v1/jobs/{row['jobId']}/executions/{row['jobExecutionId']}"
        for row in graph.list("graph.ETL", "?limit=2")["list"]
    ]
    head = graph.server.head()
    ended = graph.ask("POST", f"{paths[0]}/cancel")
    assert (ended.status, ended.json["errorType"]) == (400, "bad-state")
    assert graph.server.head() == head
    assert graph.ask("POST", f"{paths[1]}/cancel").body == b"true"
    graph.report("graph.ETL", "RunCancelled")
    words = [row["status"] for row in graph.list("graph.ETL", "?limit=4")["list"]]
    assert words == ["COMPLETED", "CANCELED", "CANCELED", "CANCELED"]
    again = graph.ask("POST", f"{paths[1]}/cancel")
    assert (again.status, again.json["errorType"]) == (400, "bad-state")


def test_job_removed_from_its_flow_is_found_and_marked_deleted(story):
    assert story.desk.get(f"/api/v1/jobs/{story.job('C')}")["status"] == "DELETED"
    assert [row["name"] for row in story.desk.get("/api/v1/jobs")["list"]] == ["B"]
