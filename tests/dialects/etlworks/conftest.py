"""Etlworks under other settings than the defaults."""

from __future__ import annotations

from dataclasses import replace

import pytest


@pytest.fixture
def with_settings(server, monkeypatch):
    def changed(**settings):
        asked = replace(server.service.settings, **settings)
        monkeypatch.setattr(server.service, "settings", asked)

    return changed
