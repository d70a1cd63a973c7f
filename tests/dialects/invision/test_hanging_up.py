"""Clients that hang up while they wait, on real sockets: nobody waits for them any more."""

from __future__ import annotations

import socket
import time

import pytest

from tests.dialects.invision.vendor import VENDOR

PATIENCE_S = 15
"""Below the time of a space, which would tell too that the client has gone."""


@pytest.fixture
def begin(server, queued):
    """Start a data flow with `await=true` on a socket of its own; the socket and the run."""
    sockets = []

    def begun():
        before = queued("suite.OTHER")
        start = VENDOR.start(before)
        token = server.keys["operator"].token
        head = f"POST {start.target}?await=true HTTP/1.1\r\nHost: x\r\nx-api-key: {token}\r\n\r\n"
        client = socket.create_connection(("127.0.0.1", server.ports[False]), PATIENCE_S)
        sockets.append(client)
        client.sendall(head.encode())
        until(lambda: server.newest("suite.OTHER")["run_id"] != before["run_id"])
        run = server.newest("suite.OTHER")
        until(lambda: run["run_id"] in waited_for(server))
        return client, run

    yield begun
    for client in sockets:
        client.close()


def waited_for(server):
    return set(server.service.queries._run_completion._waiting)


def until(holds):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited too long"


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


@pytest.mark.parametrize("hang_up", [socket.socket.close, reset], ids=["closes", "resets"])
def test_disconnected_client_leaves_no_waiter_and_its_run_continues(server, begin, hang_up):
    client, run = begin()
    hang_up(client)
    until(lambda: run["run_id"] not in waited_for(server))
    assert server.read(run)["status"] == "queued"
    server.report(run, [("RunSucceeded", None, {})])
    assert server.read(run)["status"] == "succeeded"


def test_disconnect_of_one_waiting_client_does_not_affect_another(server, begin):
    (gone, _), (stays, run) = begin(), begin()
    gone.close()
    server.report(run, [("RunFailed", None, {})])
    answer = stays.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"runId":"%s","status":"Failed"}' % run["run_id"].encode())
    until(lambda: not waited_for(server))
