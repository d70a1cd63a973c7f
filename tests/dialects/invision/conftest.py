"""The settings of the suite's server, changed for one test."""

from dataclasses import replace

import pytest


@pytest.fixture
def with_settings(server, monkeypatch):
    def changed(**settings):
        asked = replace(server.service.settings, **settings)
        monkeypatch.setattr(server.service, "settings", asked)

    return changed
