"""One real server for all tests of dialects, and runs in every state on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import postgres
from tests.dialects.serving import serving


@pytest.fixture(scope="session")
def server(postgres_run, template_database):
    with (
        postgres.fresh_database(postgres_run, template_database) as url,
        serving(url) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def run_in(server):
    """Make a new run of `suite.ORDERS` in a state, as /v1 shows it."""
    return server.brought_to


@pytest.fixture
def queued(server):
    """Make a queued run of any flow of the suite; it is cancelled in the end."""
    runs = []

    def begin(flow, **payload):
        runs.append(server.begin(flow, payload))
        return runs[-1]

    yield begin
    for run in runs:
        server.cancel(run, force=True)


@pytest.fixture
def free(server):
    """Lend the exclusive flow, free: an earlier run of it, and its newest run ends afterwards."""
    run = server.begin("suite.EXCLUSIVE", {})
    server.cancel(run, force=True)
    yield run
    server.cancel(server.newest("suite.EXCLUSIVE"), force=True)


@pytest.fixture
def with_settings(server, monkeypatch):
    """Change settings of the server for one test."""

    def changed(**settings):
        new_settings = replace(server.service.settings, **settings)
        monkeypatch.setattr(server.service, "settings", new_settings)

    return changed
