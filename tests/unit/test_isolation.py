"""A unit test that needs a database or a server is found out."""

import asyncio
import errno
import socket
import threading

import asyncpg
import pytest

Failed = pytest.fail.Exception


@pytest.mark.parametrize(
    "fixture",
    ["postgres_server", "template_database", "database_url", "empty_database_url", "own_cluster"],
)
def test_every_fixture_of_a_database_is_refused(request, fixture):
    with pytest.raises(Failed, match="a unit test uses a Postgres"):
        request.getfixturevalue(fixture)


@pytest.mark.parametrize("host", ["127.0.0.1", "/tmp"])
async def test_a_connection_to_a_database_is_refused(host):
    with pytest.raises(Failed, match="a unit test uses a connection"):
        await asyncpg.connect(host=host, port=5432, user="nobody", database="none")


def test_a_server_is_refused():
    with socket.socket() as server, pytest.raises(Failed, match="a unit test uses a port"):
        server.bind(("127.0.0.1", 0))


def test_a_connection_by_hand_is_refused():
    with socket.socket() as client, pytest.raises(Failed, match="a unit test uses a connection"):
        client.connect(("127.0.0.1", 1))


def test_a_connection_by_a_thread_of_the_test_is_refused():
    raised = []

    def connect():
        with socket.socket() as client:
            try:
                client.connect(("127.0.0.1", 1))
            except Failed as error:
                raised.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join(10)

    assert len(raised) == 1


@pytest.fixture(scope="module")
def older_thread():
    """A thread that was there before the test, as that of a server of the session."""
    go, outcome = threading.Event(), []

    def connect():
        go.wait(60)
        with socket.socket() as client:
            outcome.append(client.connect_ex(("127.0.0.1", 1)))

    thread = threading.Thread(target=connect)
    thread.start()
    yield thread, go, outcome
    go.set()
    thread.join(10)


def test_a_connection_by_a_thread_of_other_tests_is_left_alone(older_thread):
    thread, go, outcome = older_thread
    go.set()
    thread.join(10)

    assert outcome == [errno.ECONNREFUSED]


def test_a_loop_is_not_refused():
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"
