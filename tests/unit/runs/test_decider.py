"""The events that commands lead to: given a history, when a command comes, then whole values."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest

from projections.documents.flow import Plan, PlanTask
from service.runs.domain.decider import evolve
from service.runs.domain.errors import BrokenStream
from service.runs.domain.plans import ready_tasks
from service.runs.domain.state import PENDING, TaskState
from tests.runs.story import CHAIN, HOOKS, RUN, Story, running

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
GROUP = Plan(
    (PlanTask("A", "A"), PlanTask("B", "B"), PlanTask("C", "C", ("B",)), PlanTask("D", "D", ("A",)))
)


def failed(task, reason="error", *, will_retry=False, **more):
    return ("TaskFailed", {"task": task, "reason": reason, "will_retry": will_retry} | more)


def skipped(*tasks):
    return [("TaskSkipped", {"task": task}) for task in tasks]


def cancelled(*tasks):
    return [("TaskCancelled", {"task": task}) for task in tasks]


def paths(story):
    return [task.path for task in ready_tasks(story.plan, story.state)]


# A run that goes well


def test_new_run_is_queued_and_its_tasks_are_pending():
    story = Story(HOOKS)
    assert story.state.status == "queued"
    assert story.state.tasks == dict.fromkeys(HOOKS.by_path, PENDING)


def test_first_task_start_starts_the_run():
    story = Story()
    story.claim()
    assert story.reports("TaskStarted", "A") == [
        ("RunStarted", {}),
        ("TaskStarted", {"task": "A", "attempt": 1}),
    ]
    assert story.state.status == "running"


def test_run_succeeds_with_its_last_task():
    story = running()
    assert story.reports("TaskSucceeded", "A", result=3) == [
        ("TaskSucceeded", {"task": "A", "result": 3})
    ]
    assert story.reports("TaskSucceeded", "B") == [
        ("TaskSucceeded", {"task": "B"}),
        ("RunSucceeded", {}),
    ]


def test_run_with_a_warned_task_ends_warned():
    story = running()
    story.reports("TaskWarned", "A", warnings=["late"])
    assert story.reports("TaskSucceeded", "B")[-1] == ("RunWarned", {})


def test_event_of_a_worker_has_its_origin_and_report_in_metadata():
    story = running()
    event = story.decision.events[1]
    assert (event.actor, event.correlation_id, event.metadata) == (
        "ops",
        RUN,
        b'{"epoch":1,"key_id":"k-1","report":{"fingerprint":"%s","id":"f-1"},'
        b'"source":"api","worker":"w1"}' % story.state.reports["f-1"].fingerprint.encode(),
    )


def test_derived_events_have_the_report_as_cause_and_its_time():
    story = running()
    story.reports("TaskSucceeded", "A")
    story.report(story.event("TaskSucceeded", "B", at=AT))
    reported, end = story.decision.events
    assert (end.causation_id, end.occurred_at, reported.causation_id) == (
        reported.event_id,
        AT,
        "",
    )


# Hooks


def test_success_hooks_run_after_the_last_task_and_failure_hooks_are_skipped():
    story = running(HOOKS)
    for path in ("A", "G/B", "G/C"):
        story.reports("TaskSucceeded", path)
    assert story.reports("TaskSucceeded", "D") == [
        ("TaskSucceeded", {"task": "D"}),
        *skipped("KO"),
    ]
    assert paths(story) == ["OK"]
    assert story.reports("TaskSucceeded", "OK")[-1] == ("RunSucceeded", {})


def test_failed_success_hook_fails_the_run():
    story = running(HOOKS)
    for path in ("A", "G/B", "G/C", "D"):
        story.reports("TaskSucceeded", path)
    assert story.reports("TaskFailed", "OK", reason="timeout") == [
        failed("OK", "timeout"),
        ("RunFailed", {"reason": "timeout"}),
    ]


def test_failure_hooks_run_after_the_other_tasks_have_ended():
    story = running(HOOKS)
    story.reports("TaskSucceeded", "A")
    story.reports("TaskStarted", "G/C")
    assert story.reports("TaskFailed", "G/B", exception="boom") == [
        failed("G/B", exception="boom"),
        *skipped("D", "OK"),
    ]
    assert (story.state.failing, paths(story)) == (True, [])
    story.reports("TaskSucceeded", "G/C")
    assert paths(story) == ["KO"]
    assert story.reports("TaskSucceeded", "KO")[-1] == ("RunFailed", {"reason": "error"})


def test_run_with_only_hooks_runs_the_success_hook():
    story = Story(Plan((PlanTask("OK", "OK", hook="success"),)))
    assert paths(story) == ["OK"]


# Failures


def test_tasks_downstream_of_a_failed_task_are_skipped_at_once():
    assert running().reports("TaskFailed", "A") == [
        failed("A"),
        *skipped("B"),
        ("RunFailed", {"reason": "error"}),
    ]


def test_tasks_not_downstream_of_a_failed_task_continue():
    story = running(GROUP)
    assert story.reports("TaskFailed", "A") == [failed("A"), *skipped("D")]
    assert paths(story) == ["B"]
    story.reports("TaskSucceeded", "B")
    assert story.reports("TaskFailed", "C", reason="timeout")[-1] == (
        "RunFailed",
        {"reason": "error"},
    )


def test_failed_task_is_retried_as_often_as_the_plan_says():
    story = running(Plan((PlanTask("A", "A", retries=1),)))
    assert story.reports("TaskFailed", "A", will_retry=True) == [failed("A", will_retry=True)]
    assert (story.state.failing, story.state.tasks["A"]) == (False, TaskState("retrying", 1))
    assert paths(story) == ["A"]
    assert story.reports("TaskStarted", "A") == [("TaskStarted", {"task": "A", "attempt": 2})]
    assert story.reports("TaskFailed", "A", will_retry=True) == [
        failed("A"),
        ("RunFailed", {"reason": "error"}),
    ]


def test_external_run_decides_its_own_task_retries():
    story = running(CHAIN, "external")
    for _ in range(3):
        assert story.reports("TaskFailed", "A", will_retry=True) == [failed("A", will_retry=True)]
    assert story.statuses()["A"] == "retrying"


def test_failed_task_of_a_cancelling_run_is_not_retried():
    story = running(Plan((PlanTask("A", "A", retries=5),)))
    story.cancel()
    assert story.reports("TaskFailed", "A", will_retry=True) == [
        failed("A"),
        ("RunCancelled", {}),
    ]


# Claims


def test_claimed_run_stays_queued():
    story = Story()
    assert story.claim("w1", 1) == [("RunClaimed", {"worker": "w1", "epoch": 1})]
    assert (story.state.status, story.state.worker, story.state.epoch) == ("queued", "w1", 1)


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_claim_without_the_next_epoch_is_refused(epoch):
    story = running()
    assert story.claim("w2", epoch) == []
    assert story.decision.refusal == "the run's epoch is 1"


def test_repeated_claim_succeeds_without_an_event():
    story = running()
    assert story.claim("w1", 1) == []
    assert story.decision.refusal == ""


def test_claim_of_an_ended_or_external_run_is_refused():
    story = Story()
    story.cancel()
    assert (story.claim(), story.decision.refusal) == ([], "the run has ended: it is cancelled")
    story = Story(executor="external")
    assert (story.claim(), story.decision.refusal) == ([], "no worker executes this run")


def test_running_tasks_of_a_lost_worker_are_retried():
    story = running(GROUP)
    story.reports("TaskSucceeded", "B")
    assert story.claim("w2", 2) == [
        ("RunClaimed", {"worker": "w2", "epoch": 2}),
        failed("A", "lost", will_retry=True),
    ]
    assert paths(story) == ["A", "C"]
    assert story.reports("TaskStarted", "A") == [("TaskStarted", {"task": "A", "attempt": 2})]


def test_task_fails_after_its_third_worker_crash():
    story = running()
    for epoch in (2, 3):
        story.claim("w", epoch)
        story.reports("TaskStarted", "A")
    assert story.claim("w", 4) == [
        ("RunClaimed", {"worker": "w", "epoch": 4}),
        failed("A", "lost"),
        *skipped("B"),
        ("RunFailed", {"reason": "lost"}),
    ]


def test_lost_attempt_uses_up_no_retry():
    story = running(Plan((PlanTask("A", "A", retries=1),)))
    story.claim("w2", 2)
    story.reports("TaskStarted", "A")
    assert story.reports("TaskFailed", "A", will_retry=True) == [failed("A", will_retry=True)]


def test_task_given_back_counts_neither_as_retry_nor_as_crash():
    story = running(Plan((PlanTask("A", "A"),)))
    told = {"reason": "lost", "will_retry": True, "given_back": True}
    for epoch in range(2, 7):
        assert story.reports("TaskFailed", "A", **told) == [("TaskFailed", {"task": "A", **told})]
        assert paths(story) == ["A"]
        assert story.claim("w", epoch) == [("RunClaimed", {"worker": "w", "epoch": epoch})]
        story.reports("TaskStarted", "A")
    assert story.claim("w", 7)[1:] == [failed("A", "lost", will_retry=True)]


def test_claim_of_a_cancelling_run_ends_it():
    story = running()
    story.cancel()
    assert story.claim("w2", 2) == [
        ("RunClaimed", {"worker": "w2", "epoch": 2}),
        *cancelled("A"),
        ("RunCancelled", {}),
    ]


# Cancels


def test_cancel_of_a_queued_run_cancels_its_tasks_and_hooks_at_once():
    story = Story(HOOKS)
    assert story.cancel() == [
        ("RunCancelRequested", {"force": False}),
        *cancelled("A", "G/B", "G/C", "D", "OK", "KO"),
        ("RunCancelled", {}),
    ]


def test_derived_events_have_the_cancel_as_cause():
    story = Story()
    story.cancel()
    request, *others = story.decision.events
    assert {event.causation_id for event in others} == {request.event_id}


def test_cancelled_run_ends_after_its_running_tasks_stop():
    story = running(HOOKS)
    assert story.cancel() == [
        ("RunCancelRequested", {"force": False}),
        *cancelled("G/B", "G/C", "D", "OK", "KO"),
    ]
    assert (story.state.status, paths(story)) == ("cancelling", [])
    assert story.reports("TaskCancelled", "A") == [*cancelled("A"), ("RunCancelled", {})]


def test_cancel_cancels_a_task_between_two_attempts_at_once():
    story = running(Plan((PlanTask("A", "A", retries=1),)))
    story.reports("TaskFailed", "A", will_retry=True)
    assert story.cancel()[1:] == [*cancelled("A"), ("RunCancelled", {})]


def test_cancelling_run_ends_cancelled_whatever_the_end_of_its_task():
    story = running()
    story.cancel()
    assert story.reports("TaskSucceeded", "A")[-1] == ("RunCancelled", {})


def test_forced_cancel_does_not_wait_for_running_tasks():
    story = running()
    assert story.cancel(force=True) == [
        ("RunCancelRequested", {"force": True}),
        *cancelled("A", "B"),
        ("RunCancelled", {}),
    ]


def test_second_cancel_adds_no_event_unless_forced():
    story = running()
    story.cancel()
    assert (story.cancel(), story.decision.refusal) == ([], "")
    assert story.cancel(force=True) == [
        ("RunCancelRequested", {"force": True}),
        *cancelled("A"),
        ("RunCancelled", {}),
    ]


@pytest.mark.parametrize("story", [Story(executor="external"), running(executor="external")])
def test_external_run_is_cancelling_until_its_end_is_reported(story):
    assert story.cancel() == [("RunCancelRequested", {"force": False})]
    assert story.state.status == "cancelling"
    assert story.reports("RunCancelled") == [*cancelled("A", "B"), ("RunCancelled", {})]


def test_cancelling_external_run_may_be_reported_succeeded():
    story = running(executor="external")
    story.cancel()
    assert story.reports("RunSucceeded")[-1] == ("RunSucceeded", {})


def test_hooks_are_cancelled_if_the_last_task_ends_after_a_cancel():
    story = running(HOOKS, "external")
    story.cancel()
    for path in ("A", "G/B", "G/C"):
        story.reports("TaskSucceeded", path)
    assert story.reports("TaskSucceeded", "D") == [
        ("TaskSucceeded", {"task": "D"}),
        *cancelled("OK", "KO"),
        ("RunCancelled", {}),
    ]


def test_forced_cancel_ends_an_external_run_at_once():
    story = Story(executor="external")
    assert story.cancel(force=True)[-1] == ("RunCancelled", {})


def test_cancel_of_an_ended_run_is_recorded_and_changes_nothing():
    story = running()
    story.reports("TaskFailed", "A")
    before = story.state
    reason = "the run has ended: it is failed"
    assert story.cancel() == [
        (
            "ReportRefused",
            {"type": "CancelRun", "task": None, "reason": reason, "data": {"force": False}},
        )
    ]
    assert (story.decision.refusal, story.state.status) == (reason, before.status)


# Timeouts


def test_only_an_ended_run_is_unlisted_and_only_once():
    story = Story()
    assert story.unlist() == []
    story.cancel()
    assert story.unlist(offset=5) == [("RunUnlisted", {"offset": 5})]
    assert (story.state.status, story.state.unlisted) == ("cancelled", True)
    assert story.unlist() == []
    assert story.decision.refusal == ""


def test_timeout_fails_running_tasks_and_skips_pending_ones():
    assert running(HOOKS).time_out() == [
        failed("A", "timeout"),
        *skipped("G/B", "G/C", "D", "OK", "KO"),
        ("RunFailed", {"reason": "timeout"}),
    ]


def test_timeout_of_a_queued_run_skips_all_tasks():
    assert Story(executor="external").time_out() == [
        *skipped("A", "B"),
        ("RunFailed", {"reason": "timeout"}),
    ]


def test_timeout_of_an_ended_run_adds_no_event():
    story = Story()
    story.cancel()
    assert story.time_out() == []


# Ends that are reported


def test_reported_success_ends_the_open_tasks():
    story = running(HOOKS, "external")
    assert story.reports("RunSucceeded", rows=9) == [
        *[("TaskSucceeded", {"task": task}) for task in ("A", "G/B", "G/C", "D")],
        *skipped("OK", "KO"),
        ("RunSucceeded", {"rows": 9}),
    ]


def test_reported_success_of_a_run_that_has_not_started_starts_it_first():
    assert Story(executor="external").reports("RunWarned", warnings=["late"]) == [
        ("RunStarted", {}),
        ("TaskSucceeded", {"task": "A"}),
        ("TaskSucceeded", {"task": "B"}),
        ("RunWarned", {"warnings": ["late"]}),
    ]


def test_reported_failure_fails_running_tasks_and_skips_pending_ones():
    assert running(executor="external").reports(
        "RunFailed", reason="timeout", exception="boom"
    ) == [
        failed("A", "timeout"),
        *skipped("B"),
        ("RunFailed", {"reason": "timeout", "exception": "boom"}),
    ]


def test_reported_failure_without_a_reason_has_that_of_the_first_failed_task():
    story = running(GROUP, "external")
    story.reports("TaskFailed", "A", reason="timeout")
    assert story.reports("RunFailed")[-1] == ("RunFailed", {"reason": "timeout"})


def test_reported_success_of_a_failing_run_is_refused():
    story = running(GROUP, "external")
    story.reports("TaskFailed", "A")
    story.reports("RunSucceeded")
    assert story.verdicts == [("refused", 6, "a task has failed: the run cannot succeed any more")]
    assert story.reports("RunFailed")[-1] == ("RunFailed", {"reason": "error"})


def test_report_of_a_derived_start_or_end_is_a_duplicate():
    story = running(executor="external")
    story.reports("TaskSucceeded", "A")
    story.reports("TaskSucceeded", "B")
    assert story.later_events[-1] == ("RunSucceeded", {})
    assert story.report(story.event("RunStarted"), story.event("RunSucceeded")) == []
    assert story.verdicts == [("duplicate", 2, None), ("duplicate", 6, None)]


def test_report_of_another_end_than_the_derived_one_is_refused():
    story = running(executor="external")
    story.reports("TaskSucceeded", "A")
    story.reports("TaskSucceeded", "B")
    story.reports("RunFailed")
    assert story.verdicts == [("refused", 7, "the run has ended: it is succeeded")]


def test_completion_rules_apply_once_after_all_events_of_a_report():
    story = Story(executor="external")
    assert story.report(
        story.event("RunStarted"),
        story.event("TaskSucceeded", "A"),
        story.event("TaskSucceeded", "B"),
        story.event("RunWarned", warnings=["w"]),
    ) == [
        ("RunStarted", {}),
        ("TaskSucceeded", {"task": "A"}),
        ("TaskSucceeded", {"task": "B"}),
        ("RunWarned", {"warnings": ["w"]}),
    ]


def test_external_run_continues_after_a_reported_skip():
    story = running(executor="external")
    story.reports("TaskSkipped", "A")
    assert story.reports("TaskSucceeded", "B")[-1] == ("RunSucceeded", {})


def test_external_run_with_a_cancelled_task_ends_cancelled():
    assert running(executor="external").reports("TaskCancelled", "A") == [
        *cancelled("A"),
        *skipped("B"),
        ("RunCancelled", {}),
    ]


def test_external_run_without_tasks_ends_only_by_report():
    story = Story(Plan(()), "external")
    assert story.reports("RunStarted") == [("RunStarted", {})]
    assert story.reports("RunSucceeded") == [("RunSucceeded", {})]
    story = Story(Plan(()))
    story.claim()
    assert story.reports("RunStarted") == [("RunStarted", {}), ("RunSucceeded", {})]


def test_end_of_an_exclusive_run_frees_the_slot():
    story = running(exclusive=True)
    story.reports("TaskSucceeded", "A")
    assert story.decision.slot_freed is None
    story.reports("TaskSucceeded", "B")
    freed, end = story.decision.slot_freed, story.decision.events[-1]
    assert (freed.type, freed.body, freed.causation_id) == (
        "SlotFreed",
        b'{"run_id":"%s"}' % RUN.encode(),
        end.event_id,
    )


def test_end_of_a_run_without_a_slot_frees_none():
    story = running()
    story.time_out()
    assert (story.state.status, story.decision.slot_freed) == ("failed", None)


# Reports that are refused


def test_unauthorised_report_of_a_derived_end_is_refused():
    story = running()
    story.report(story.event("RunStarted"), worker="w2", epoch=1)
    assert story.verdicts == [("refused", 5, "another worker has the run")]


@pytest.mark.parametrize(
    ("executor", "worker", "epoch", "reason"),
    [
        ("external", "w1", 1, "no worker executes this run"),
        ("in_process", "", 0, "only its worker reports on a run that is executed in process"),
        ("in_process", "w1", 2, "epoch 2 is not the run's, which is 1"),
        ("in_process", "w2", 1, "another worker has the run"),
    ],
)
def test_report_without_the_claim_is_refused(executor, worker, epoch, reason):
    story = running(executor=executor)
    event = story.event("TaskSucceeded", "A", result=1)
    refused = {"type": "TaskSucceeded", "task": "A", "reason": reason, "data": {"result": 1}}
    assert story.report(event, worker=worker, epoch=epoch) == [("ReportRefused", refused)]
    assert story.verdicts == [("refused", len(story.events), reason)]


@pytest.mark.parametrize(
    ("type_", "task", "data", "reason"),
    [
        ("RunQueued", None, {}, "RunQueued cannot be reported"),
        ("RunClaimed", None, {}, "RunClaimed cannot be reported"),
        ("RunStarted", "A", {}, None),
        ("TaskStarted", "A", {}, "the task is running"),
        ("TaskStarted", "X", {}, "the run has no task X"),
        ("TaskStarted", None, {}, "no task named"),
        ("TaskFailed", "A", {"reason": "bored"}, "reason is not one of error, timeout, lost"),
        ("TaskFailed", "A", {"will_retry": 1}, "will_retry is not true or false"),
        ("TaskFailed", "A", {"line": True}, "line is not an integer"),
        ("TaskFailed", "A", {"exception": []}, "exception is not a text"),
        ("TaskSucceeded", "A", {"metrics": []}, "metrics is not an object"),
        ("TaskSucceeded", "A", {"warnings": "x"}, "warnings is not a list of texts"),
        ("TaskSucceeded", "A", {"result": "x" * 65536}, "the event is larger than 65536 bytes"),
        ("RunFailed", None, {"x": "x" * 65536}, "the event is larger than 65536 bytes"),
    ],
)
def test_report_with_a_wrong_state_or_shape_is_refused_and_recorded(type_, task, data, reason):
    story = running(executor="external")
    if reason is None:  # the ledger started the run, so this is no news
        assert story.reports(type_, task, **data) == []
        return
    refused = data if len(str(data)) < 65536 else {}
    assert story.reports(type_, task, **data) == [
        ("ReportRefused", {"type": type_, "task": task, "reason": reason, "data": refused})
    ]
    assert story.state.status == "running"


def test_second_reported_start_is_refused():
    story = Story(executor="external")
    story.reports("RunStarted")
    story.reports("RunStarted")
    assert story.verdicts == [("refused", 3, "the run has started already")]


def test_unstorable_report_is_refused_and_not_recorded():
    story = running(executor="external")
    assert story.reports("TaskSucceeded", "A", result=float("nan")) == []
    assert story.verdicts == [("refused", None, "not storable as JSON: nan is no JSON number")]


def test_report_after_the_end_is_refused():
    story = running()
    story.reports("TaskFailed", "A")
    for type_, task in (("TaskSucceeded", "B"), ("TaskOutputRecorded", "A"), ("RunWarned", None)):
        story.reports(type_, task)
        reason = "the run has ended: it is failed"
        assert story.verdicts == [("refused", len(story.events), reason)]


# Names of tasks, outputs


def test_task_is_resolved_by_path_key_or_id():
    task_id = str(uuid5(UUID(RUN), "G/B"))
    for name in ("G/B", "B", task_id, task_id.upper()):
        story = running(HOOKS, "external")
        assert story.reports("TaskStarted", name) == [
            ("TaskStarted", {"task": "G/B", "attempt": 1})
        ]


def test_key_of_two_tasks_is_not_resolved():
    story = running(Plan((PlanTask("A", "R"), PlanTask("A#2", "R"))), "external")
    story.reports("TaskStarted", "R")
    assert story.verdicts == [("refused", 4, "the run has no task R")]


def test_output_has_the_number_of_the_current_attempt():
    story = running()
    assert story.reports("TaskOutputRecorded", "A", metrics={"rows": 3}, warnings=None) == [
        ("TaskOutputRecorded", {"task": "A", "attempt": 1, "metrics": {"rows": 3}})
    ]


def test_long_log_is_cut_at_its_beginning():
    story = running()
    [(_, body)] = story.reports("TaskOutputRecorded", "A", log="é" * 50_000 + "the end")
    assert body["log"].endswith("éthe end")
    assert 65_530 < len(story.decision.events[0].body) <= 65_536


# Repeats


def test_repeated_report_is_a_duplicate_with_the_first_version():
    story = running()
    event = story.event("TaskSucceeded", "A", result=1)
    story.report(event)
    assert story.report(event) == []
    assert story.verdicts == [("duplicate", 5, None)]


def test_repeated_event_within_one_report_is_a_duplicate():
    story = running()
    event = story.event("TaskSucceeded", "A")
    story.report(event, event)
    assert story.verdicts == [("recorded", 5, None), ("duplicate", 5, None)]


def test_repeated_refused_report_adds_no_second_event():
    story = running()
    event = story.event("TaskStarted", "A")
    story.report(event)
    first = story.verdicts
    assert story.report(event) == []
    assert story.verdicts == first == [("refused", 5, "the task is running")]


def test_different_event_under_a_used_id_is_refused_once_and_the_first_stays_a_duplicate():
    story = running()
    first = story.event("TaskSucceeded", "A", id_="x")
    other = story.event("TaskSucceeded", "B", id_="x")
    story.report(first)
    story.report(other)
    reason = "event_id was used for a different event"
    assert story.verdicts == [("refused", 6, reason)]
    assert len({event.event_id for event in story.events}) == len(story.events)
    assert story.report(other, first) == []
    assert story.verdicts == [("refused", 6, reason), ("duplicate", 5, None)]


def test_repeat_by_a_worker_that_lost_the_run_is_still_a_duplicate():
    story = running()
    event = story.event("TaskOutputRecorded", "A", log="x")
    story.report(event)
    story.claim("w2", 2)
    assert story.report(event, worker="w1", epoch=1) == []
    assert story.verdicts == [("duplicate", 5, None)]


def test_id_of_a_reported_event_is_derived_from_run_and_reporters_id():
    expected = str(uuid5(UUID(RUN), "report:f-1"))
    assert running().decision.events[1].event_id == expected


# Folding


def test_fold_of_an_event_that_the_state_does_not_allow_raises():
    story = running()
    with pytest.raises(BrokenStream):
        evolve(CHAIN, story.state, story.events[0])
    with pytest.raises(BrokenStream):
        evolve(CHAIN, None, story.events[1])
    with pytest.raises(BrokenStream):
        evolve(Plan(()), Story(Plan(())).state, story.events[-1])


def test_fold_does_not_change_the_given_state():
    story = running()
    before, same = story.state, story.state
    story.reports("TaskSucceeded", "A")
    after = evolve(CHAIN, before, story.events[-1])
    assert (before, after) == (same, story.state)
