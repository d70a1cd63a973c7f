"""The OpenAPI document and its page, as a server answers them."""

import yaml


async def test_it_is_served(client):
    response = await client.get("/openapi.yaml")
    assert response.content_type == "application/yaml"
    assert yaml.safe_load(await response.text())["openapi"] == "3.1.0"


async def test_the_page_lists_every_operation_and_loads_nothing(client):
    page = await (await client.get("/docs")).text()
    for shown in ("<h2>Acme</h2>", "/acme/runs/{id}", "Show a run.", "Idempotency-Key", "/docs"):
        assert shown in page
    assert "src=" not in page
    assert "http://" not in page
    assert "https://" not in page
