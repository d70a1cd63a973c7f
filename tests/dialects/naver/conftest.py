"""A client with a tenant and flows of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialects.naver.desk import Desk

FLOWS = Path(__file__).parent / "flows.yaml"


@pytest.fixture(scope="package")
def desk(server):
    return Desk.opened(server, "naver", FLOWS)
