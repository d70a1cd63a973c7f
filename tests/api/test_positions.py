"""Read your writes: `Flowledger-Position` of an answer, asked for by `Flowledger-Min-Position`."""

import http.client
from contextlib import closing

import pytest

from tests.dialects.suite import NAMES, STARTING, Call, vendor


@pytest.fixture(scope="module")
def run(api):
    return api.start()


def ask(server, name, run, position):
    """Read a run in a vendor's way, asking for a position."""
    client = vendor(name)
    call = client.status(run).having(Flowledger_Min_Position=position)
    return server.ask(client.sign(call, server.keys["operator"]))


@pytest.mark.parametrize("name", NAMES)
def test_every_vendors_reads_include_the_minimum_position(server, run, name):
    assert ask(server, name, run, str(server.head())).status == 200


@pytest.mark.parametrize("name", NAMES)
def test_every_vendor_refuses_a_position_beyond_the_head(server, run, name):
    answer = ask(server, name, run, str(server.head() + 1))
    assert answer.status == 400
    vendor(name).check_error(answer, vendor(name).status(run))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("position", ["", "x", "-1", "1.5", "9223372036854775808", "1, 2"])
def test_every_vendor_refuses_a_malformed_position(server, run, name, position):
    answer = ask(server, name, run, position)
    assert answer.status == 400
    vendor(name).check_error(answer, vendor(name).status(run))


@pytest.mark.parametrize("name", STARTING)
def test_every_vendors_start_returns_a_position_that_its_reads_include(server, idle, name):
    client = vendor(name)
    started = server.ask(client.sign(client.start(idle), server.keys["operator"]))
    assert started.status < 300, started.body
    assert ask(server, name, idle, started.headers["Flowledger-Position"]).status == 200


def test_two_minimum_positions_are_refused(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.ports[False], timeout=30)
    connection.putrequest("GET", "/v1/runs")
    connection.putheader("Authorization", f"Bearer {server.keys['viewer'].token}")
    for position in "12":
        connection.putheader("Flowledger-Min-Position", position)
    connection.endheaders()
    with closing(connection):
        assert connection.getresponse().status == 400


READS = (
    "/v1/runs",
    "/v1/runs/{run_id}",
    "/v1/runs/{run_id}/events",
    "/v1/runs/{run_id}/history",
    "/v1/events",
    "/v1/flows",
)


@pytest.mark.parametrize("path", READS)
def test_every_read_accepts_and_returns_a_position(server, api, run, path):
    head = server.head()
    answer = api.ask("GET", path.format(**run), Flowledger_Min_Position=str(head))
    assert answer.status == 200
    assert 0 < int(answer.headers["Flowledger-Position"]) <= head


@pytest.mark.parametrize("path", [*READS, "/v1/audit", "/v1/projections"])
def test_every_read_refuses_a_position_beyond_the_head(server, api, problem, run, path):
    beyond = {"Flowledger_Min_Position": str(server.head() + 1)}
    answer = api.ask("GET", path.format(**run), key="administrator", **beyond)
    assert problem(answer, 400) == "position-ahead"


def test_head_request_honours_the_minimum_position(server, api):
    beyond = {"Flowledger_Min_Position": str(server.head() + 1)}
    assert api.ask("HEAD", "/v1/runs", **beyond).status == 400


def test_caller_without_read_access_learns_nothing_of_the_head(server):
    call = Call("GET", "/v1/runs").having(Flowledger_Min_Position="x")
    assert server.ask(call).status == 401


def test_write_ignores_the_minimum_position(api):
    body = {"flow": "suite.ORDERS"}
    answer = api.ask("POST", "/v1/runs", body, Flowledger_Min_Position=str(2**62))
    assert answer.status == 201
