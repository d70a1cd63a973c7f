"""What every dialect's folder and its pure parts must keep, without a server."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from service import dialects, errors
from service.flows.identity import FlowIdentity
from service.runtime import SERVICE
from service.settings import Settings
from tests.dialects.facts import FLOW_IDS, run_facts
from tests.dialects.suite import DIALECTS, NAMES, SIXTH, Answer, Call, folder, vendor

FILES = frozenset(
    [
        "__init__",
        "auth",
        "errors",
        "handlers",
        "ids",
        "parsing",
        "rendering",
        "routes",
        "schemas",
        "statuses",
    ]
)
REFUSALS = (
    errors.BadRequest("wrong"),
    errors.InvalidPayload(["'a' is a required property"]),
    errors.Unauthenticated(),
    errors.Forbidden(),
    errors.NotFound(),
    errors.UnknownFlow("a.B"),
    errors.UnknownRun("r"),
    errors.FlowBusy(),
    errors.TooLarge(),
    errors.UnsupportedMediaType(),
    errors.IdempotencyKeyReused(),
    errors.Unavailable(),
    errors.Overloaded(),
    errors.PositionAhead("after", 9, 8),
    errors.PositionNotReached(),
    errors.MethodNotAllowed("PATCH", ["GET"]),
    errors.InternalError("request-1"),
)

every = pytest.mark.parametrize("name", NAMES)


def mocked_request(target):
    app = web.Application()
    app[SERVICE] = SimpleNamespace(settings=Settings())
    return make_mocked_request("GET", target, app=app)


def flow(number, tenant="default"):
    return FlowIdentity(tenant, f"suite.FLOW_{number}", number)


def test_all_dialects_are_discovered():
    found = tuple(dialect.name for dialect in dialects.discover())
    assert found == ("director", "etlworks", "incorta", "invision", "naver")


def test_dialect_of_another_package_is_discovered():
    assert [dialect.name for dialect in dialects.discover(SIXTH)] == ["airflow"]
    assert (*(dialect.name for dialect in dialects.discover()), "airflow") == NAMES


@every
def test_folder_has_the_same_files_as_its_siblings(name):
    assert {file.stem for file in folder(name).glob("*.py")} >= FILES
    assert (folder(name) / "README.md").exists()


@every
def test_dialect_is_named_as_its_folder(name):
    assert DIALECTS[name].name == name


def test_dialects_are_hashable_since_cached_responses_are_keyed_by_them():
    assert len({*DIALECTS.values()}) == len(NAMES)


@every
def test_every_handler_is_documented(name):
    for route in DIALECTS[name].routes:
        spec = getattr(route.handler, "__apispec__", None)
        assert inspect.getdoc(route.handler) or spec, route


@every
def test_unknown_paths_are_claimed_by_one_vendor(name):
    path = vendor(name).unknown
    assert [other for other in NAMES if DIALECTS[other].claims(path)] == [name]


@every
@pytest.mark.parametrize("path", ["/v1/runs", "/docs", "/health/live", "/metrics", "/"])
def test_own_paths_are_claimed_by_no_vendor(name, path):
    assert not DIALECTS[name].claims(path)


@every
def test_flow_ids_are_stable(name):
    assert DIALECTS[name].flow_ids(flow(7), {}) == DIALECTS[name].flow_ids(flow(7), {})


@every
def test_flow_ids_are_unique_within_a_tenant(name):
    made = [DIALECTS[name].flow_ids(flow(number), {}) for number in range(1, 200)]
    for kind in made[0]:
        assert len({ids[kind] for ids in made}) == len(made)


@every
def test_generated_ids_are_accepted_as_fixed_ids(name):
    made = DIALECTS[name].flow_ids(flow(7), {})
    assert DIALECTS[name].flow_ids(flow(8), made) == made


@every
def test_fixed_id_of_an_unknown_name_is_refused(name):
    with pytest.raises(ValueError, match="noSuchId"):
        DIALECTS[name].flow_ids(flow(7), {"noSuchId": "1"})


@every
def test_run_ids_are_unique(name):
    one = DIALECTS[name].run_ids(run_facts())
    other = DIALECTS[name].run_ids(
        run_facts(run_id="6f0f2f1e-5a0c-4f57-9d0e-0d6f1b6a7c11", run_number=880013)
    )
    assert one != other
    assert one.keys() == other.keys()


@every
def test_run_ids_include_the_flow_ids(name):
    shown = DIALECTS[name].run_ids(run_facts())
    assert shown.items() >= FLOW_IDS[name].items()


@every
@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_every_refusal_has_the_vendors_body(name, error):
    path = vendor(name).unknown
    response = DIALECTS[name].error(mocked_request(f"{path}?a=1"), error)
    assert response.content_type == DIALECTS[name].description.error_type
    answer = Answer(response.status, response.headers, response.body)
    vendor(name).check_error(answer, Call("GET", path))


@every
def test_internal_error_does_not_reveal_its_cause(name):
    response = DIALECTS[name].error(
        mocked_request(vendor(name).unknown), errors.InternalError("request-1")
    )
    assert response.status == 500
    assert b"Traceback" not in response.body
