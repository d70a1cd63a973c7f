"""What commands come to: given what happened, when, then. Whole values."""

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


def test_a_new_run_is_queued_and_all_its_tasks_are_pending():
    story = Story(HOOKS)
    assert story.state.status == "queued"
    assert story.state.tasks == dict.fromkeys(HOOKS.by_path, PENDING)


def test_the_first_task_to_start_starts_the_run():
    story = Story()
    story.claim()
    assert story.says("TaskStarted", "A") == [
        ("RunStarted", {}),
        ("TaskStarted", {"task": "A", "attempt": 1}),
    ]
    assert story.state.status == "running"


def test_a_run_succeeds_with_its_last_task():
    story = running()
    assert story.says("TaskSucceeded", "A", result=3) == [
        ("TaskSucceeded", {"task": "A", "result": 3})
    ]
    assert story.says("TaskSucceeded", "B") == [
        ("TaskSucceeded", {"task": "B"}),
        ("RunSucceeded", {}),
    ]


def test_a_run_is_warned_when_any_of_its_tasks_was():
    story = running()
    story.says("TaskWarned", "A", warnings=["late"])
    assert story.says("TaskSucceeded", "B")[-1] == ("RunWarned", {})


def test_what_a_worker_writes_says_through_whom_it_came():
    story = running()
    event = story.decision.events[1]
    assert (event.actor, event.correlation_id, event.metadata) == (
        "ops",
        RUN,
        b'{"epoch":1,"key_id":"k-1","report":{"fingerprint":"%s","id":"f-1"},'
        b'"source":"api","worker":"w1"}' % story.state.reports["f-1"].fingerprint.encode(),
    )


def test_what_follows_from_a_report_names_it_as_its_cause_and_shares_its_time():
    story = running()
    story.says("TaskSucceeded", "A")
    story.report(story.event("TaskSucceeded", "B", at=AT))
    reported, end = story.decision.events
    assert (end.causation_id, end.occurred_at, reported.causation_id) == (
        reported.event_id,
        AT,
        "",
    )


# Hooks


def test_success_hooks_get_their_turn_after_the_last_task_and_failure_hooks_none():
    story = running(HOOKS)
    for path in ("A", "G/B", "G/C"):
        story.says("TaskSucceeded", path)
    assert story.says("TaskSucceeded", "D") == [("TaskSucceeded", {"task": "D"}), *skipped("KO")]
    assert paths(story) == ["OK"]
    assert story.says("TaskSucceeded", "OK")[-1] == ("RunSucceeded", {})


def test_a_failing_success_hook_makes_the_run_failed():
    story = running(HOOKS)
    for path in ("A", "G/B", "G/C", "D"):
        story.says("TaskSucceeded", path)
    assert story.says("TaskFailed", "OK", reason="timeout") == [
        failed("OK", "timeout"),
        ("RunFailed", {"reason": "timeout"}),
    ]


def test_failure_hooks_wait_until_the_other_tasks_have_ended():
    story = running(HOOKS)
    story.says("TaskSucceeded", "A")
    story.says("TaskStarted", "G/C")
    assert story.says("TaskFailed", "G/B", exception="boom") == [
        failed("G/B", exception="boom"),
        *skipped("D", "OK"),
    ]
    assert (story.state.failing, paths(story)) == (True, [])
    story.says("TaskSucceeded", "G/C")
    assert paths(story) == ["KO"]
    assert story.says("TaskSucceeded", "KO")[-1] == ("RunFailed", {"reason": "error"})


def test_a_run_with_nothing_but_hooks_runs_the_success_hook():
    story = Story(Plan((PlanTask("OK", "OK", hook="success"),)))
    assert paths(story) == ["OK"]


# Failures


def test_what_waits_for_a_failed_task_is_skipped_at_once_and_the_run_ends():
    assert running().says("TaskFailed", "A") == [
        failed("A"),
        *skipped("B"),
        ("RunFailed", {"reason": "error"}),
    ]


def test_tasks_that_do_not_wait_for_the_failed_one_go_on():
    story = running(GROUP)
    assert story.says("TaskFailed", "A") == [failed("A"), *skipped("D")]
    assert paths(story) == ["B"]
    story.says("TaskSucceeded", "B")
    assert story.says("TaskFailed", "C", reason="timeout")[-1] == (
        "RunFailed",
        {"reason": "error"},
    )


def test_a_failure_is_retried_as_often_as_the_plan_says():
    story = running(Plan((PlanTask("A", "A", retries=1),)))
    assert story.says("TaskFailed", "A", will_retry=True) == [failed("A", will_retry=True)]
    assert (story.state.failing, story.state.tasks["A"]) == (False, TaskState("retrying", 1))
    assert paths(story) == ["A"]
    assert story.says("TaskStarted", "A") == [("TaskStarted", {"task": "A", "attempt": 2})]
    assert story.says("TaskFailed", "A", will_retry=True) == [
        failed("A"),
        ("RunFailed", {"reason": "error"}),
    ]


def test_a_flow_that_runs_elsewhere_counts_its_own_tries():
    story = running(CHAIN, "external")
    for _ in range(3):
        assert story.says("TaskFailed", "A", will_retry=True) == [failed("A", will_retry=True)]
    assert story.statuses()["A"] == "retrying"


def test_nothing_is_retried_in_a_run_that_is_being_cancelled():
    story = running(Plan((PlanTask("A", "A", retries=5),)))
    story.cancel()
    assert story.says("TaskFailed", "A", will_retry=True) == [failed("A"), ("RunCancelled", {})]


# Claims


def test_a_queued_run_is_claimed_and_stays_queued():
    story = Story()
    assert story.claim("w1", 1) == [("RunClaimed", {"worker": "w1", "epoch": 1})]
    assert (story.state.status, story.state.worker, story.state.epoch) == ("queued", "w1", 1)


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_claim_needs_the_next_epoch(epoch):
    story = running()
    assert story.claim("w2", epoch) == []
    assert story.decision.refusal == "the run's epoch is 1"


def test_a_claim_that_was_made_already_is_made():
    story = running()
    assert story.claim("w1", 1) == []
    assert story.decision.refusal == ""


def test_neither_an_ended_nor_an_external_run_can_be_claimed():
    story = Story()
    story.cancel()
    assert (story.claim(), story.decision.refusal) == ([], "the run has ended: it is cancelled")
    story = Story(executor="external")
    assert (story.claim(), story.decision.refusal) == ([], "no worker executes this run")


def test_what_a_lost_worker_had_under_way_is_tried_again():
    story = running(GROUP)
    story.says("TaskSucceeded", "B")
    assert story.claim("w2", 2) == [
        ("RunClaimed", {"worker": "w2", "epoch": 2}),
        failed("A", "lost", will_retry=True),
    ]
    assert paths(story) == ["A", "C"]
    assert story.says("TaskStarted", "A") == [("TaskStarted", {"task": "A", "attempt": 2})]


def test_the_third_loss_of_a_task_is_its_last():
    story = running()
    for epoch in (2, 3):
        story.claim("w", epoch)
        story.says("TaskStarted", "A")
    assert story.claim("w", 4) == [
        ("RunClaimed", {"worker": "w", "epoch": 4}),
        failed("A", "lost"),
        *skipped("B"),
        ("RunFailed", {"reason": "lost"}),
    ]


def test_a_lost_attempt_costs_none_of_the_tries():
    story = running(Plan((PlanTask("A", "A", retries=1),)))
    story.claim("w2", 2)
    story.says("TaskStarted", "A")
    assert story.says("TaskFailed", "A", will_retry=True) == [failed("A", will_retry=True)]


def test_what_a_worker_gives_back_costs_neither_a_try_nor_a_loss():
    story = running(Plan((PlanTask("A", "A"),)))
    told = {"reason": "lost", "will_retry": True, "given_back": True}
    for epoch in range(2, 7):
        assert story.says("TaskFailed", "A", **told) == [("TaskFailed", {"task": "A", **told})]
        assert paths(story) == ["A"]
        assert story.claim("w", epoch) == [("RunClaimed", {"worker": "w", "epoch": epoch})]
        story.says("TaskStarted", "A")
    assert story.claim("w", 7)[1:] == [failed("A", "lost", will_retry=True)]


def test_a_claim_of_a_run_that_is_being_cancelled_ends_it():
    story = running()
    story.cancel()
    assert story.claim("w2", 2) == [
        ("RunClaimed", {"worker": "w2", "epoch": 2}),
        *cancelled("A"),
        ("RunCancelled", {}),
    ]


# Cancels


def test_a_queued_run_is_cancelled_at_once_with_its_hooks():
    story = Story(HOOKS)
    assert story.cancel() == [
        ("RunCancelRequested", {"force": False}),
        *cancelled("A", "G/B", "G/C", "D", "OK", "KO"),
        ("RunCancelled", {}),
    ]


def test_what_a_cancel_leads_to_names_it_as_its_cause():
    story = Story()
    story.cancel()
    request, *others = story.decision.events
    assert {event.causation_id for event in others} == {request.event_id}


def test_running_tasks_stop_by_themselves_and_then_the_run_is_cancelled():
    story = running(HOOKS)
    assert story.cancel() == [
        ("RunCancelRequested", {"force": False}),
        *cancelled("G/B", "G/C", "D", "OK", "KO"),
    ]
    assert (story.state.status, paths(story)) == ("cancelling", [])
    assert story.says("TaskCancelled", "A") == [*cancelled("A"), ("RunCancelled", {})]


def test_a_task_between_two_attempts_is_cancelled_at_once():
    story = running(Plan((PlanTask("A", "A", retries=1),)))
    story.says("TaskFailed", "A", will_retry=True)
    assert story.cancel()[1:] == [*cancelled("A"), ("RunCancelled", {})]


def test_a_run_that_is_being_cancelled_is_cancelled_even_if_its_task_ends_otherwise():
    story = running()
    story.cancel()
    assert story.says("TaskSucceeded", "A")[-1] == ("RunCancelled", {})


def test_force_waits_for_nothing():
    story = running()
    assert story.cancel(force=True) == [
        ("RunCancelRequested", {"force": True}),
        *cancelled("A", "B"),
        ("RunCancelled", {}),
    ]


def test_a_second_cancel_adds_nothing_unless_it_forces():
    story = running()
    story.cancel()
    assert (story.cancel(), story.decision.refusal) == ([], "")
    assert story.cancel(force=True) == [
        ("RunCancelRequested", {"force": True}),
        *cancelled("A"),
        ("RunCancelled", {}),
    ]


@pytest.mark.parametrize("story", [Story(executor="external"), running(executor="external")])
def test_an_external_run_is_cancelling_until_it_is_reported(story):
    assert story.cancel() == [("RunCancelRequested", {"force": False})]
    assert story.state.status == "cancelling"
    assert story.says("RunCancelled") == [*cancelled("A", "B"), ("RunCancelled", {})]


def test_an_external_run_may_succeed_before_the_cancel_reaches_it():
    story = running(executor="external")
    story.cancel()
    assert story.says("RunSucceeded")[-1] == ("RunSucceeded", {})


def test_no_hook_runs_on_cancel_where_the_tasks_end_by_themselves():
    story = running(HOOKS, "external")
    story.cancel()
    for path in ("A", "G/B", "G/C"):
        story.says("TaskSucceeded", path)
    assert story.says("TaskSucceeded", "D") == [
        ("TaskSucceeded", {"task": "D"}),
        *cancelled("OK", "KO"),
        ("RunCancelled", {}),
    ]


def test_force_settles_an_external_run_at_once():
    story = Story(executor="external")
    assert story.cancel(force=True)[-1] == ("RunCancelled", {})


def test_a_cancel_that_comes_too_late_is_recorded_and_changes_nothing():
    story = running()
    story.says("TaskFailed", "A")
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


def test_a_run_leaves_the_lists_once_and_only_when_it_has_ended():
    story = Story()
    assert story.unlist() == []
    story.cancel()
    assert story.unlist(offset=5) == [("RunUnlisted", {"offset": 5})]
    assert (story.state.status, story.state.unlisted) == ("cancelled", True)
    assert story.unlist() == []
    assert story.decision.refusal == ""


def test_a_run_out_of_time_fails_what_runs_and_skips_what_waits():
    assert running(HOOKS).time_out() == [
        failed("A", "timeout"),
        *skipped("G/B", "G/C", "D", "OK", "KO"),
        ("RunFailed", {"reason": "timeout"}),
    ]


def test_a_run_out_of_time_before_it_started_skips_everything():
    assert Story(executor="external").time_out() == [
        *skipped("A", "B"),
        ("RunFailed", {"reason": "timeout"}),
    ]


def test_an_ended_run_is_never_out_of_time():
    story = Story()
    story.cancel()
    assert story.time_out() == []


# Ends that are reported


def test_a_reported_success_closes_what_is_open():
    story = running(HOOKS, "external")
    assert story.says("RunSucceeded", rows=9) == [
        *[("TaskSucceeded", {"task": task}) for task in ("A", "G/B", "G/C", "D")],
        *skipped("OK", "KO"),
        ("RunSucceeded", {"rows": 9}),
    ]


def test_a_success_of_a_run_that_never_reported_its_start_starts_it_first():
    assert Story(executor="external").says("RunWarned", warnings=["late"]) == [
        ("RunStarted", {}),
        ("TaskSucceeded", {"task": "A"}),
        ("TaskSucceeded", {"task": "B"}),
        ("RunWarned", {"warnings": ["late"]}),
    ]


def test_a_reported_failure_fails_what_runs_and_skips_what_waits():
    assert running(executor="external").says("RunFailed", reason="timeout", exception="boom") == [
        failed("A", "timeout"),
        *skipped("B"),
        ("RunFailed", {"reason": "timeout", "exception": "boom"}),
    ]


def test_a_reported_failure_without_a_reason_has_that_of_the_first_task():
    story = running(GROUP, "external")
    story.says("TaskFailed", "A", reason="timeout")
    assert story.says("RunFailed")[-1] == ("RunFailed", {"reason": "timeout"})


def test_a_failing_run_cannot_be_reported_a_success():
    story = running(GROUP, "external")
    story.says("TaskFailed", "A")
    story.says("RunSucceeded")
    assert story.verdicts == [("refused", 6, "a task has failed: the run cannot succeed any more")]
    assert story.says("RunFailed")[-1] == ("RunFailed", {"reason": "error"})


def test_what_the_ledger_concluded_by_itself_may_be_said_again():
    story = running(executor="external")
    story.says("TaskSucceeded", "A")
    story.says("TaskSucceeded", "B")
    assert story.told[-1] == ("RunSucceeded", {})
    assert story.report(story.event("RunStarted"), story.event("RunSucceeded")) == []
    assert story.verdicts == [("duplicate", 2, None), ("duplicate", 6, None)]


def test_a_different_end_than_the_ledger_concluded_is_refused():
    story = running(executor="external")
    story.says("TaskSucceeded", "A")
    story.says("TaskSucceeded", "B")
    story.says("RunFailed")
    assert story.verdicts == [("refused", 7, "the run has ended: it is succeeded")]


def test_the_facts_of_one_report_are_settled_together_at_its_end():
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


def test_an_external_run_whose_tasks_were_skipped_elsewhere_goes_on():
    story = running(executor="external")
    story.says("TaskSkipped", "A")
    assert story.says("TaskSucceeded", "B")[-1] == ("RunSucceeded", {})


def test_an_external_run_whose_task_was_cancelled_elsewhere_ends_cancelled():
    assert running(executor="external").says("TaskCancelled", "A") == [
        *cancelled("A"),
        *skipped("B"),
        ("RunCancelled", {}),
    ]


def test_an_external_run_without_tasks_ends_only_by_report():
    story = Story(Plan(()), "external")
    assert story.says("RunStarted") == [("RunStarted", {})]
    assert story.says("RunSucceeded") == [("RunSucceeded", {})]
    story = Story(Plan(()))
    story.claim()
    assert story.says("RunStarted") == [("RunStarted", {}), ("RunSucceeded", {})]


def test_the_run_of_an_exclusive_flow_frees_its_slot_with_its_end():
    story = running(exclusive=True)
    story.says("TaskSucceeded", "A")
    assert story.decision.slot_freed is None
    story.says("TaskSucceeded", "B")
    freed, end = story.decision.slot_freed, story.decision.events[-1]
    assert (freed.type, freed.body, freed.causation_id) == (
        "SlotFreed",
        b'{"run_id":"%s"}' % RUN.encode(),
        end.event_id,
    )


def test_a_run_that_took_no_slot_frees_none():
    story = running()
    story.time_out()
    assert (story.state.status, story.decision.slot_freed) == ("failed", None)


# Reports that are refused


def test_who_has_not_the_run_is_told_nothing_of_what_the_ledger_concluded():
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
def test_only_who_has_the_run_reports_on_it(executor, worker, epoch, reason):
    story = running(executor=executor)
    event = story.event("TaskSucceeded", "A", result=1)
    kept = {"type": "TaskSucceeded", "task": "A", "reason": reason, "data": {"result": 1}}
    assert story.report(event, worker=worker, epoch=epoch) == [("ReportRefused", kept)]
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
def test_what_the_state_or_the_shape_does_not_allow_is_refused_and_kept(type_, task, data, reason):
    story = running(executor="external")
    if reason is None:  # the ledger started the run, so this is no news
        assert story.says(type_, task, **data) == []
        return
    kept = data if len(str(data)) < 65536 else {}
    assert story.says(type_, task, **data) == [
        ("ReportRefused", {"type": type_, "task": task, "reason": reason, "data": kept})
    ]
    assert story.state.status == "running"


def test_a_second_start_of_the_run_is_refused():
    story = Story(executor="external")
    story.says("RunStarted")
    story.says("RunStarted")
    assert story.verdicts == [("refused", 3, "the run has started already")]


def test_what_cannot_be_stored_is_refused_and_not_kept():
    story = running(executor="external")
    assert story.says("TaskSucceeded", "A", result=float("nan")) == []
    assert story.verdicts == [("refused", None, "not storable as JSON: nan is no JSON number")]


def test_nothing_is_taken_after_the_end():
    story = running()
    story.says("TaskFailed", "A")
    for type_, task in (("TaskSucceeded", "B"), ("TaskOutputRecorded", "A"), ("RunWarned", None)):
        story.says(type_, task)
        reason = "the run has ended: it is failed"
        assert story.verdicts == [("refused", len(story.events), reason)]


# Names of tasks, outputs


def test_a_task_is_named_by_its_path_its_key_or_its_id():
    task_id = str(uuid5(UUID(RUN), "G/B"))
    for name in ("G/B", "B", task_id, task_id.upper()):
        story = running(HOOKS, "external")
        assert story.says("TaskStarted", name) == [("TaskStarted", {"task": "G/B", "attempt": 1})]


def test_a_key_that_two_tasks_share_names_neither():
    story = running(Plan((PlanTask("A", "R"), PlanTask("A#2", "R"))), "external")
    story.says("TaskStarted", "R")
    assert story.verdicts == [("refused", 4, "the run has no task R")]


def test_an_output_belongs_to_the_attempt_under_way():
    story = running()
    assert story.says("TaskOutputRecorded", "A", metrics={"rows": 3}, warnings=None) == [
        ("TaskOutputRecorded", {"task": "A", "attempt": 1, "metrics": {"rows": 3}})
    ]


def test_a_long_log_loses_its_head():
    story = running()
    [(_, body)] = story.says("TaskOutputRecorded", "A", log="é" * 50_000 + "the end")
    assert body["log"].endswith("éthe end")
    assert 65_530 < len(story.decision.events[0].body) <= 65_536


# Repeats


def test_a_repeated_report_is_a_duplicate_with_the_first_version():
    story = running()
    event = story.event("TaskSucceeded", "A", result=1)
    story.report(event)
    assert story.report(event) == []
    assert story.verdicts == [("duplicate", 5, None)]


def test_a_repeat_within_one_report_is_a_duplicate():
    story = running()
    event = story.event("TaskSucceeded", "A")
    story.report(event, event)
    assert story.verdicts == [("recorded", 5, None), ("duplicate", 5, None)]


def test_a_refused_report_is_refused_again_without_a_second_event():
    story = running()
    event = story.event("TaskStarted", "A")
    story.report(event)
    first = story.verdicts
    assert story.report(event) == []
    assert story.verdicts == first == [("refused", 5, "the task is running")]


def test_another_event_under_a_used_id_is_refused_once_and_never_hides_the_first():
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


def test_a_worker_that_lost_the_run_still_learns_what_was_recorded():
    story = running()
    event = story.event("TaskOutputRecorded", "A", log="x")
    story.report(event)
    story.claim("w2", 2)
    assert story.report(event, worker="w1", epoch=1) == []
    assert story.verdicts == [("duplicate", 5, None)]


def test_the_id_of_a_reported_event_follows_from_the_run_and_the_reporters_id():
    expected = str(uuid5(UUID(RUN), "report:f-1"))
    assert running().decision.events[1].event_id == expected


# Folding


def test_an_event_that_may_not_follow_breaks_the_stream():
    story = running()
    with pytest.raises(BrokenStream):
        evolve(CHAIN, story.state, story.events[0])
    with pytest.raises(BrokenStream):
        evolve(CHAIN, None, story.events[1])
    with pytest.raises(BrokenStream):
        evolve(Plan(()), Story(Plan(())).state, story.events[-1])


def test_folding_changes_no_state_that_was_given():
    story = running()
    before, same = story.state, story.state
    story.says("TaskSucceeded", "A")
    after = evolve(CHAIN, before, story.events[-1])
    assert (before, after) == (same, story.state)
