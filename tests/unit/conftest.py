"""The unit tests: whatever asks for a database or a server fails."""

import socket
import threading
from collections.abc import Callable, Collection
from typing import Any, NoReturn

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
    """Refuse to connect, and to listen, by whichever library.

    Threads that are alive already belong to other tests: a server that the worker process keeps for
    the session goes on connecting to its database.
    """
    others = set(threading.enumerate()) - {threading.current_thread()}
    for method, what in {
        "connect": "a connection",
        "connect_ex": "a connection",
        "bind": "a port",
    }.items():
        monkeypatch.setattr(socket.socket, method, _refusing(method, what, others))


def _refusing(method: str, what: str, others: Collection[threading.Thread]) -> Callable[..., Any]:
    allowed = getattr(socket.socket, method)

    def call(sock: socket.socket, address: object) -> object:
        if threading.current_thread() in others:
            return allowed(sock, address)
        refuse(what)

    return call
