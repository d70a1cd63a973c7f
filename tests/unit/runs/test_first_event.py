"""The stored bytes of a run's first event and of what takes its flow's slot."""

from dataclasses import replace
from datetime import UTC, datetime

from projections.documents.flow import Flow, Plan, PlanTask
from service.runs.domain.commands import Origin, ScheduledStart
from service.runs.domain.retries import automatic_retry
from service.runs.domain.run_creation import (
    StartRequest,
    queued_body,
    queued_event,
    slot_taken_event,
)
from tests.runs.story import Story

PLAN = Plan((PlanTask("A", "A"), PlanTask("B", "B", ("A",))), retries=1, retry_delay_s=90.0)
FLOW = Flow(
    tenant="acme",
    fullname="sales.eu.LOAD",
    project="sales",
    name="eu.LOAD",
    version=3,
    number=7,
    executor="external",
    exclusive=True,
    timeout_s=None,
    ids={},
    definition={},
    plan=PLAN,
)
RUN = "5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4"
EARLIER = "9f4c40a3-6f0c-4a43-9f86-1b1f0a3a8f37"
START = StartRequest(
    "acme",
    Origin("ada", "api", "k1"),
    FLOW.fullname,
    {"day": "2026-03-01", "rows": 1.5},
    "by hand",
    None,
    "on_demand",
    exclusive=False,
)
QUEUED = (
    b'{"attempt":1,"comment":"by hand","exclusive":true,"executor":"external",'
    b'"flow":"sales.eu.LOAD","flow_version":3,"payload":{"day":"2026-03-01","rows":1.5},'
    b'"retry_of":null,"root_run":"5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4","root_run_number":42,'
    b'"run_id":"5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4","run_number":42,"started_by":"ada",'
    b'"trigger":"on_demand"}'
)


def first(start, **more):
    return queued_event(start, queued_body(FLOW, start, run_id=RUN, run_number=42, **more), "e1")


def test_run_started_on_demand_has_these_queued_bytes():
    event = first(START)

    assert event.body == QUEUED
    assert event.metadata == b'{"key_id":"k1","source":"api"}'
    assert slot_taken_event(START, event, RUN, "e2").body == b'{"run_id":"%s"}' % RUN.encode()


def test_optional_members_of_a_start_are_added_to_the_queued_bytes():
    due = ScheduledStart(datetime(2026, 3, 1, 6, tzinfo=UTC), flow_version=3, late_s=2, missed=None)
    start = START._replace(project="sales.eu", scheduled_start=due)
    done = {"task": "A", "run_id": EARLIER, "status": "warned"}

    assert first(start, reused=[done]).body == (
        QUEUED.replace(
            b'"comment"',
            b'"carried":[{"run_id":"%s","status":"warned","task":"A"}],"comment"'
            % EARLIER.encode(),
        )
        .replace(b'"retry_of"', b'"project":"sales.eu","retry_of"')
        .replace(
            b'"started_by"',
            b'"schedule":{"due_at":"2026-03-01T06:00:00.000000Z","late_s":2,"missed":null},'
            b'"started_by"',
        )
    )


def test_automatic_retry_has_these_queued_bytes():
    failed = replace(
        Story(PLAN, executor="external").state,
        run_id=EARLIER,
        run_number=41,
        root_run=EARLIER,
        root_run_number=41,
        fullname="sales.eu.LOAD",
        flow_version=3,
        exclusive=True,
        payload={"day": "2026-03-01"},
        comment=None,
        project="sales.eu",
        started_by="ada",
    )
    ids = iter([RUN, "e1", "e2"])
    end = first(START)

    retry = automatic_retry(
        PLAN, failed, end, origin=START.origin, run_number=42, new_id=lambda: next(ids)
    )

    assert retry.queued.body == (
        b'{"attempt":2,"comment":null,"delay_s":90.0,"exclusive":true,"executor":"external",'
        b'"flow":"sales.eu.LOAD","flow_version":3,"payload":{"day":"2026-03-01"},'
        b'"project":"sales.eu","retry_of":"9f4c40a3-6f0c-4a43-9f86-1b1f0a3a8f37",'
        b'"root_run":"9f4c40a3-6f0c-4a43-9f86-1b1f0a3a8f37","root_run_number":41,'
        b'"run_id":"5f1d7c38-2c3b-4a4e-9a58-0f6f2b2ad0c4","run_number":42,"started_by":"ada",'
        b'"trigger":"on_demand"}'
    )
    assert retry.slot_taken.body == b'{"run_id":"%s"}' % RUN.encode()
