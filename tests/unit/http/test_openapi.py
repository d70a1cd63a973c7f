"""The OpenAPI document: built from the decorators, valid, fresh."""

from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from service.apis import discover
from service.http.openapi.pages import Pages
from tests.http import dialects

COMMITTED = Path(__file__).parents[3] / "openapi.yaml"


@pytest.fixture
def document():
    return Pages(
        [dialects.small_dialect("acme", "/acme"), dialects.small_dialect("own", "/own")]
    ).document


@pytest.fixture
def operation(document):
    return document["paths"]["/acme/runs/{id}"]["get"]


def test_a_document_is_valid(document):
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_operation_has_an_id_and_a_summary(operation):
    assert operation["operationId"] == "acme_read"
    assert operation["tags"] == ["Acme"]
    assert operation["summary"] == "Show a run."
    assert operation["description"] == "At length."


def test_parameters_come_from_the_schemas(operation):
    assert [(p["in"], p["name"], p["required"]) for p in operation["parameters"]] == [
        ("path", "id", True),
        ("query", "page", False),
        ("query", "as_of", False),
        ("header", "Idempotency-Key", False),
        ("header", "Flowledger-As-Of", False),
    ]


def test_only_authenticated_reads_accept_as_of(document):
    for item in document["paths"].values():
        for method, operation in item.items():
            named = {parameter["name"] for parameter in operation.get("parameters", ())}
            looks_back = method == "get" and bool(operation["security"])
            assert ({"as_of", "Flowledger-As-Of"} <= named) is looks_back


def test_undescribed_path_variable_is_a_string(document):
    parameters = document["paths"]["/own/runs/{id}"]["get"]["parameters"]
    assert parameters[0]["name"] == "id"


def test_pattern_is_omitted_from_the_path(document):
    assert "/acme/old/{id}" in document["paths"]


def test_route_with_any_prefix_is_omitted(document):
    assert not [path for path in document["paths"] if "before" in path]


def test_responses_have_the_dialects_error_body(operation):
    bodies = {
        code: each["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for code, each in operation["responses"].items()
    }
    errors = dict.fromkeys(("400", "401", "403", "404", "409", "503"), "AcmeError")
    assert bodies == {"200": "AcmeRun"} | errors


def test_nullable_member_has_null_among_its_types(document):
    ended = document["components"]["schemas"]["AcmeRun"]["properties"]["ended"]
    assert ended["type"] == ["integer", "null"]


def test_a_body_has_its_schema_and_example(document):
    body = document["paths"]["/acme/runs"]["post"]["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"] == {
        "schema": {"$ref": "#/components/schemas/AcmeBody"},
        "example": {"name": "x"},
    }


def test_an_answer_may_have_several_media_types(document):
    created = document["paths"]["/acme/runs"]["post"]["responses"]["201"]
    assert list(created["content"]) == ["application/json", "application/x-ndjson"]


def test_route_requires_one_of_its_dialects_credentials(document, operation):
    assert operation["security"] == [{"acmeBearer": []}]
    assert document["components"]["securitySchemes"]["acmeBearer"]["scheme"] == "bearer"


def test_open_route_requires_no_credential(document):
    assert document["paths"]["/acme/ping"]["get"]["security"] == []
    assert "responses" not in document["paths"]["/acme/ping"]["get"]


def test_building_twice_gives_the_same():
    assert Pages(discover()).openapi_yaml == Pages(discover()).openapi_yaml


def test_served_document_is_valid_openapi():
    document = Pages(discover()).document
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_operation_has_a_summary_and_a_success():
    for path, item in Pages(discover()).document["paths"].items():
        for method, operation in item.items():
            assert operation.get("summary"), (method, path)
            assert min(operation["responses"]) < "300", (method, path)


def test_schema_names_begin_with_the_vendors_name():
    titles = ("Ledger", "Director", "Etlworks", "Incorta", "Invision", "Naver")
    for name in Pages(discover()).document["components"]["schemas"]:
        assert name.startswith(titles), name


def test_committed_document_is_up_to_date():
    assert COMMITTED.read_text("utf-8") == Pages(discover()).openapi_yaml, (
        "run: flowledger openapi > openapi.yaml"
    )
