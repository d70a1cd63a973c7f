"""A load replaces the tenant's catalogue: in the log, and in every process that follows it."""

import asyncio
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from events.envelope import Position
from events.errors import VersionConflict
from events.types import CATALOGUE_STREAM
from projections.documents.flow import flow_json, flow_of
from projections.documents.run import micros
from service.access import Origin
from service.dialects.etlworks import DIALECT as ETLWORKS
from service.dialects.incorta import DIALECT as INCORTA
from service.errors import BadRequest
from service.flows.catalogue import Catalogue
from service.flows.definitions import load_definitions
from service.flows.errors import FlowLoadError
from service.flows.registration import Changes, plan_changes, register

DIALECTS = (ETLWORKS, INCORTA)
ORIGIN = Origin("ada", "cli", key_id="k1")

FIRST = "a.ONE:\n  tasks: [A]\na.TWO:\n  tasks: [B]\n"


class Tenant:
    """Loads texts of flows into a tenant's catalogue, as a process of its own would."""

    def __init__(self, log, folder: Path, name: str) -> None:
        self.log = log
        self.folder = folder
        self.name = name
        self.catalogue = Catalogue(log)

    def definitions(self, text: str):
        (self.folder / "flows.yaml").write_text(text)
        return load_definitions(self.folder)

    async def load(self, text: str) -> Changes:
        return await register(
            self.log,
            self.catalogue,
            tenant=self.name,
            definitions=self.definitions(text),
            dialects=DIALECTS,
            origin=ORIGIN,
        )

    async def events(self):
        return await self.log.read_stream(self.name, CATALOGUE_STREAM)


@pytest.fixture
def tenant(log, folder):
    return Tenant(log, folder, "acme")


async def test_new_flows_get_numbers_and_ids_of_every_vendor(tenant):
    changes = await tenant.load(FIRST)
    assert [(f.fullname, f.version, f.number) for f in changes.add] == [
        ("a.ONE", 1, 1),
        ("a.TWO", 1, 2),
    ]
    assert changes.add[1].ids == {
        "etlworks": {"flowId": 1_000_000_002},
        "incorta": {"loadPlanName": "a.TWO"},
    }
    assert tenant.catalogue.all("acme") == list(changes.add)


async def test_registration_records_its_actor_and_source(tenant):
    await tenant.load(FIRST)
    event, _ = await tenant.events()
    assert (event.type, event.version, event.actor) == ("FlowRegistered", 1, "ada")
    assert event.metadata == {"source": "cli", "key_id": "k1"}
    assert event.data == flow_json(tenant.catalogue.find("acme", "a.ONE"))
    assert flow_of("acme", event.data) == tenant.catalogue.find("acme", "a.ONE")


async def test_loading_the_same_files_again_changes_nothing(tenant):
    await tenant.load(FIRST)
    head = await tenant.log.head()
    changes = await tenant.load(FIRST)
    assert not changes
    assert [flow.fullname for flow in changes.unchanged] == ["a.ONE", "a.TWO"]
    assert await tenant.log.head() == head


async def test_changed_flow_is_registered_as_its_next_version(tenant):
    await tenant.load(FIRST)
    changes = await tenant.load(FIRST.replace("[B]", "[B, C]"))
    assert [(f.fullname, f.version, f.number) for f in changes.change] == [("a.TWO", 2, 2)]
    assert [flow.fullname for flow in changes.unchanged] == ["a.ONE"]
    assert tenant.catalogue.find("acme", "a.TWO") == changes.change[0]


@pytest.mark.parametrize(
    "more",
    ["queue: q1", "executor: external", "exclusive: true", "timeout: 5", "x: true", "x: 1.5",
     "schema: {type: object}", "ids: {etlworks: {flowId: 7}}", "hooks: {success: OK}",
     "load_plan: {groups: [{name: G, schemas: [{name: S, tables: [{name: t, task: B}]}]}]}"],
)  # fmt: skip
async def test_any_change_of_a_definition_makes_a_version(tenant, more):
    await tenant.load(FIRST)
    assert [flow.fullname for flow in (await tenant.load(f"{FIRST}  {more}\n")).change] == ["a.TWO"]


async def test_definition_beyond_a_mebibyte_is_refused_with_line_and_size(tenant):
    head = await tenant.log.head()
    text = f"{FIRST}a.BIG:\n  tasks: [A]\n  x: {'x' * 2_000_000}\n"
    with pytest.raises(FlowLoadError, match=r":5: a.BIG has 20\d{5} bytes .* 1048576 are"):
        await tenant.load(text)
    assert await tenant.log.head() == head


async def test_integer_one_is_not_boolean_true(tenant):
    await tenant.load(f"{FIRST}  x: 1\n")
    assert (await tenant.load(f"{FIRST}  x: true\n")).change


async def test_flow_missing_from_the_files_is_retired(tenant):
    await tenant.load(FIRST)
    changes = await tenant.load("a.ONE:\n  tasks: [A]\n")
    assert [flow.fullname for flow in changes.retire] == ["a.TWO"]
    assert (await tenant.events())[-1].data == {"fullname": "a.TWO", "version": 1}
    catalogue = tenant.catalogue
    assert catalogue.find("acme", "a.TWO") is None
    assert catalogue.is_retired("acme", "a.TWO")
    assert [flow.fullname for flow in catalogue.all("acme")] == ["a.ONE"]


async def test_retired_flow_returns_as_its_next_version_with_its_number(tenant):
    await tenant.load(FIRST)
    await tenant.load("a.ONE:\n  tasks: [A]\n")
    changes = await tenant.load(FIRST)
    assert [(f.fullname, f.version, f.number) for f in changes.add] == [("a.TWO", 2, 2)]
    assert not tenant.catalogue.is_retired("acme", "a.TWO")


async def test_load_describes_its_changes(tenant):
    await tenant.load(f"{FIRST}a.OLD:\n  tasks: [A]\n")
    definitions = tenant.definitions(
        "a.ONE:\n  tasks: [A]\na.TWO:\n  tasks: [C]\na.NEW:\n  tasks: [A]\n"
    )
    changes = plan_changes(tenant.catalogue.for_tenant("acme"), definitions, DIALECTS)
    assert changes.lines() == [
        "add a.NEW (version 1)",
        "change a.TWO (version 2)",
        "retire a.OLD (a load is the whole catalogue)",
        "unchanged: 1",
    ]


async def test_planning_changes_writes_nothing(tenant):
    plan_changes(tenant.catalogue.for_tenant("acme"), tenant.definitions(FIRST), DIALECTS)
    assert await tenant.log.head() == 0


async def test_load_is_one_append(tenant):
    await tenant.load(FIRST)
    first, second = await tenant.events()
    assert first.recorded_at == second.recorded_at


async def test_fixed_ids_are_kept_and_new_numbers_avoid_them(tenant):
    text = f"{FIRST}a.OURS:\n  tasks: [A]\n  ids:\n    etlworks: {{flowId: 1000000002}}\n"
    changes = await tenant.load(text)
    assert {f.fullname: (f.number, f.ids["etlworks"]["flowId"]) for f in changes.add} == {
        "a.OURS": (1, 1_000_000_002),
        "a.ONE": (3, 1_000_000_003),
        "a.TWO": (4, 1_000_000_004),
    }


@pytest.mark.parametrize(
    ("more", "line", "reason"),
    [
        (
            "  ids:\n    etlworks: {flowId: 1000000001}\n",
            6,
            "ids of a.TWO: etlworks flowId 1000000001 belongs to flow a.ONE",
        ),
        (
            "  ids:\n    incorta:\n      loadPlanName: a.ONE\n",
            6,
            "ids of a.TWO: incorta loadPlanName 'a.ONE' belongs to flow a.ONE",
        ),
        ("  ids: {acme: {id: 1}}\n", 5, "unknown vendor 'acme'; known are etlworks, incorta"),
        ("  ids: {etlworks: {flow: 1}}\n", 5, "etlworks has no id 'flow' of a flow"),
        ("  ids: {etlworks: {flowId: x}}\n", 5, "flowId must be a whole number"),
    ],
)
async def test_invalid_or_taken_ids_are_refused_with_their_line(tenant, more, line, reason):
    await tenant.load(FIRST)
    head = await tenant.log.head()
    with pytest.raises(FlowLoadError) as refused:
        await tenant.load(FIRST + more)
    (diagnostic,) = refused.value.diagnostics
    assert (diagnostic.file, diagnostic.line) == (str(tenant.folder / "flows.yaml"), line)
    assert reason in diagnostic.message
    assert await tenant.log.head() == head


async def test_two_new_flows_with_the_same_fixed_id_are_refused(tenant):
    ids = "  ids: {etlworks: {flowId: 7}}\n"
    with pytest.raises(FlowLoadError, match=r"a.TWO: etlworks flowId 7 belongs to flow a.ONE"):
        await tenant.load(FIRST.replace("[A]\n", f"[A]\n{ids}") + ids)


async def test_two_flows_with_the_same_listener_are_refused_and_named(tenant):
    one, two = "  ids: {etlworks: {listener: /in}}\n", "  ids: {etlworks: {listener: in/}}\n"
    with pytest.raises(FlowLoadError, match=r"a.TWO: etlworks listener 'in' belongs to flow a.ONE"):
        await tenant.load(FIRST.replace("[A]\n", f"[A]\n{one}") + two)
    assert await tenant.log.head() == 0


async def test_flow_is_found_by_fullname_or_name_unless_retired(tenant):
    await tenant.load("a.ONE:\n  tasks: [A]\nb.ONE:\n  tasks: [A]\nb.a.ONE:\n  tasks: [A]\n")

    async def named(name):
        return [flow.fullname for flow in await tenant.catalogue.named("acme", name)]

    assert await named("a.ONE") == ["a.ONE"]
    assert await named("ONE") == ["a.ONE", "b.ONE"]
    await tenant.load("b.ONE:\n  tasks: [A]\nb.a.ONE:\n  tasks: [A]\n")
    assert await named("ONE") == ["b.ONE"]
    assert await named("a.ONE") == ["b.a.ONE"]
    assert await named("TWO") == []


async def test_id_belongs_to_its_flow_after_a_change_and_after_retirement(tenant):
    await tenant.load(FIRST)
    await tenant.load("a.ONE:\n  tasks: [A]\n  ids: {etlworks: {flowId: 7}}\n")
    catalogue = tenant.catalogue
    one, two = (catalogue.for_tenant("acme").flows[name] for name in ("a.ONE", "a.TWO"))
    for flow_id, flow in ((7, one), (1_000_000_001, one), (1_000_000_002, two), (8, None)):
        assert catalogue.by_id("acme", "etlworks", "flowId", flow_id) == flow
    with pytest.raises(FlowLoadError, match=r"flowId 1000000002 belongs to flow a.TWO"):
        await tenant.load("a.NEW:\n  tasks: [A]\n  ids: {etlworks: {flowId: 1000000002}}\n")


async def test_unstorable_definition_is_refused_with_its_line(tenant):
    (definition, _) = tenant.definitions(FIRST)
    wrong = replace(definition, definition={"x": float("nan")})
    with pytest.raises(FlowLoadError, match=r"flows.yaml:1: a.ONE is not storable as JSON"):
        plan_changes(tenant.catalogue.for_tenant("acme"), [wrong], DIALECTS)


async def test_tenants_do_not_see_each_other(log, folder):
    acme, other = Tenant(log, folder, "acme"), Tenant(log, folder, "other")
    await acme.load(FIRST)
    await other.load("a.TWO:\n  tasks: [C]\n")
    catalogue = Catalogue(log)
    await catalogue.load()
    assert catalogue.find("other", "a.ONE") is None
    assert catalogue.find("other", "a.TWO").number == 1
    assert catalogue.by_id("other", "etlworks", "flowId", 1_000_000_002) is None
    assert catalogue.all("nobody") == []
    assert catalogue.version_of("nobody") == 0


async def test_flows_are_not_registered_for_every_tenant(log, folder):
    with pytest.raises(BadRequest, match="flows belong to one tenant"):
        await Tenant(log, folder, "*").load(FIRST)
    assert await log.head() == 0


async def test_new_process_loads_the_same_catalogue(tenant):
    await tenant.load(FIRST)
    await tenant.load("a.ONE:\n  tasks: [A, B]\na.TWO:\n  tasks: [B]\n")
    await tenant.load("a.ONE:\n  tasks: [A, B]\n")
    fresh = Catalogue(tenant.log)
    await fresh.load()
    assert fresh.for_tenant("acme") == tenant.catalogue.for_tenant("acme")
    assert fresh.version_of("acme") == 4


async def test_catalogue_folds_each_event_of_the_feed_once(tenant):
    await tenant.load(FIRST)
    events = await tenant.log.read(Position(0), 100)
    follower = Catalogue(tenant.log)
    follower.apply(events[:1])
    follower.apply(events)
    follower.apply(events[:1])
    assert follower.for_tenant("acme") == tenant.catalogue.for_tenant("acme")


async def test_gap_in_the_feed_is_an_error_and_refresh_repairs_it(tenant):
    await tenant.load(FIRST)
    events = await tenant.log.read(Position(0), 100)
    follower = Catalogue(tenant.log)
    with pytest.raises(VersionConflict):
        follower.apply(events[1:])
    await follower.refresh("acme")
    assert follower.for_tenant("acme") == tenant.catalogue.for_tenant("acme")


async def test_concurrent_loads_are_applied_one_after_the_other(log, folder):
    definitions = {
        text: Tenant(log, folder, "acme").definitions(text)
        for text in ("a.ONE:\n  tasks: [A]\n", "a.TWO:\n  tasks: [B]\n")
    }
    catalogues = [Catalogue(log) for _ in range(8)]
    changes = await asyncio.gather(
        *(
            register(
                log,
                catalogue,
                tenant="acme",
                definitions=definitions[list(definitions)[number % 2]],
                dialects=DIALECTS,
                origin=ORIGIN,
            )
            for number, catalogue in enumerate(catalogues)
        ),
        return_exceptions=True,
    )
    assert all(isinstance(change, (Changes, VersionConflict)) for change in changes)
    fresh = Catalogue(log)
    await fresh.load()
    tenant_catalogue = fresh.for_tenant("acme")
    assert len(tenant_catalogue.current) == 1
    assert sorted(flow.number for flow in tenant_catalogue.flows.values()) == [1, 2]


async def test_catalogue_has_every_version_with_position_and_time(tenant):
    await tenant.load(FIRST)
    await tenant.load("a.ONE:\n  tasks: [A, B]\n")
    tenant_catalogue = tenant.catalogue.for_tenant("acme")
    events = await tenant.events()
    assert [
        (v.flow.fullname, v.flow.version, v.position)
        for v in chain(*tenant_catalogue.versions.values())
    ] == [
        ("a.ONE", 1, events[0].position),
        ("a.ONE", 2, events[2].position),
        ("a.TWO", 1, events[1].position),
    ]
    assert tenant_catalogue.touched_us == {
        "a.ONE": micros(events[2].recorded_at),
        "a.TWO": micros(events[3].recorded_at),
    }
    assert tenant_catalogue.position == events[3].position
    before = await tenant.catalogue.as_of("acme", events[2].position)
    assert (before.position, before.touched_us["a.TWO"]) == (
        events[2].position,
        micros(events[1].recorded_at),
    )
