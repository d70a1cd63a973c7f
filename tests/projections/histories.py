"""Histories of runs to fold and to write: events as the log gives them, without a database."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from events import types
from events.codec import encode
from events.envelope import AppendRequest, Event, ExpectedVersion, NewEvent, StreamAppend
from projections.documents.flow import (
    Flow,
    Plan,
    PlanGroup,
    PlanSchema,
    PlanTable,
    PlanTask,
    flow_of,
    plan_json,
)
from projections.projection import Projection, States

TENANT = "acme"
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGAN_US = 1_772_366_400_000_000
NAMES = UUID("9f4c40a3-6f0c-4a43-9f86-1b1f0a3a8f37")

CHAIN = Plan((PlanTask("A", "A"), PlanTask("B", "B", ("A",)), PlanTask("OK", "OK", hook="success")))
ONE = Plan((PlanTask("LOAD", "LOAD"),))
GROUPED = Plan(
    (
        PlanTask("FIRST", "FIRST"),
        PlanTask("G/X", "X", ("FIRST",), ("G",)),
        PlanTask("G/Y", "Y", ("FIRST",), ("G",)),
    )
)
TREE = Plan(
    (PlanTask("T1", "T1"), PlanTask("T2", "T2", ("T1",)), PlanTask("T3", "T3", ("T2",))),
    (
        PlanGroup(
            "Group 1",
            (
                PlanSchema("sales", (PlanTable("sales.orders", "T1"),)),
                PlanSchema("stock", (PlanTable("stock.items", "T2"),)),
            ),
        ),
        PlanGroup("Group 2", (PlanSchema("hr", (PlanTable("hr.people", "T3"),)),)),
    ),
)


def run_id(number: int) -> str:
    return str(uuid5(NAMES, str(number)))


class History:
    """Events in the order of their positions, one second apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.flows: dict[tuple[str, str, int], Flow] = {}
        self._versions: Counter[tuple[str, str]] = Counter()

    def register(self, fullname="example.ETL", plan=CHAIN, *, tenant=TENANT, version=1, **more):
        project, _, name = fullname.partition(".")
        body = {
            "fullname": fullname,
            "project": project,
            "name": name,
            "version": version,
            "number": 7,
            "executor": "in_process",
            "exclusive": False,
            "timeout_s": None,
            "ids": {"etlworks": {"flowId": 7}},
            "definition": {"tasks": ["A", "B"]},
            "plan": plan_json(plan),
        } | more
        self.flows[tenant, fullname, version] = flow_of(tenant, body)
        return self._add(tenant, types.CATALOGUE_STREAM, types.FLOW_REGISTERED, body)

    def retire(self, fullname="example.ETL", *, tenant=TENANT):
        body = {"fullname": fullname, "version": 1}
        return self._add(tenant, types.CATALOGUE_STREAM, types.FLOW_RETIRED, body)

    def queue(self, number=1, fullname="example.ETL", *, tenant=TENANT, version=1, **more):
        flow = self.flows.get((tenant, fullname, version))
        body = {
            "run_id": run_id(number),
            "run_number": number,
            "flow": fullname,
            "flow_version": version,
            "executor": flow.executor if flow else "external",
            "exclusive": False,
            "payload": {"n": number},
            "comment": None,
            "trigger": "on_demand",
            "started_by": "ops",
            "attempt": 1,
            "retry_of": None,
            "root_run": run_id(number),
            "root_run_number": number,
        } | more
        return self._add(tenant, types.run_stream(run_id(number)), types.RUN_QUEUED, body)

    def tell(self, kind, number=1, /, *, tenant=TENANT, occurred_at=None, actor="ops", **data):
        stream = types.run_stream(run_id(number))
        return self._add(tenant, stream, kind, data, occurred_at=occurred_at, actor=actor)

    def note(self, stream, kind, /, *, tenant=TENANT, **data):
        return self._add(tenant, stream, kind, data)

    def of(self, event: Event) -> Flow:
        return self.flows[event.tenant, event.data["flow"], event.data["flow_version"]]

    def _add(self, tenant, stream, kind, data, *, occurred_at=None, actor="ops"):
        position = len(self.events) + 1
        self._versions[tenant, stream] += 1
        event = Event(
            position=position,
            tenant=tenant,
            stream=stream,
            version=self._versions[tenant, stream],
            event_id=str(uuid5(NAMES, f"event {position}")),
            type=kind,
            schema_version=1,
            data=data,
            metadata={},
            actor=actor,
            correlation_id="",
            causation_id="",
            idempotency_key="",
            occurred_at=occurred_at,
            recorded_at=at(position),
            leaf_hash=b"",
        )
        self.events.append(event)
        return event


def at(position: int) -> datetime:
    return BEGAN + timedelta(seconds=position)


def at_us(position: int) -> int:
    return BEGAN_US + position * 1_000_000


def fold_all(projection: Projection, events: Sequence[Event], flows) -> States:
    """The states after these events, folded one by one with nothing forgotten."""
    states: States = {}
    for event in events:
        if event.type in projection.types:
            projection.fold(states, event, flows)
    return states


def shown(projection: Projection, history: History, number: int = 1, tenant: str = TENANT):
    """What a read model shows of a run after a history."""
    state = fold_all(projection, history.events, history).get(("run", tenant, run_id(number)))
    return None if state is None else projection.document(state)


def requests(events: Sequence[Event]) -> list[AppendRequest]:
    """The appends that write these events, one each, in their order."""
    return [
        AppendRequest(
            event.tenant, (StreamAppend(event.stream, ExpectedVersion.ANY, (_new(event),)),)
        )
        for event in events
    ]


def _new(event: Event) -> NewEvent:
    return NewEvent(
        event_id=event.event_id,
        type=event.type,
        body=encode(event.data),
        actor=event.actor,
        schema_version=event.schema_version,
        occurred_at=event.occurred_at,
    )
