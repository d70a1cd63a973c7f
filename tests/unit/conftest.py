"""The unit tests: whatever asks for a database or a server fails."""

import socket
from typing import NoReturn

import pytest


def refuse(what: str) -> NoReturn:
    pytest.fail(f"a unit test uses {what}: move it out of tests/unit", pytrace=False)


@pytest.fixture(scope="session")
def postgres_run() -> NoReturn:
    """Stand before the fixture that every database of the tests comes from."""
    refuse("a Postgres")


@pytest.fixture
def own_cluster() -> NoReturn:
    """Stand before the fixture of a Postgres that the test may kill."""
    refuse("a Postgres of its own")


@pytest.fixture(autouse=True)
def no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to connect, and to listen, by whichever library."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: refuse("a connection"))
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: refuse("a connection"))
    monkeypatch.setattr(socket.socket, "bind", lambda *_: refuse("a port"))
