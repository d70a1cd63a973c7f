"""Tokens as Etlworks' clients get and present them."""

from __future__ import annotations

import base64
import threading

import pytest

from tests.dialects.etlworks.vendor import VENDOR
from tests.dialects.suite import Call

ISSUE = ("/rest/v1/token-auth/issue", "/rest/v1/token-auth")
REFRESH = Call("POST", "/rest/v1/token-auth/refresh")


def presenting(call, token):
    return call.having(Authorization=f"Bearer {token}")


def login(server, key="operator", path=ISSUE[0]):
    known = server.keys[key]
    call = Call("POST", path).sending({"login": known.username, "password": known.password})
    answer = server.ask(call)
    assert answer.status == 200, answer.body
    return answer


def issued(server, key="operator"):
    return login(server, key).json["token"]


def switch(server, token, tenant):
    return server.ask(presenting(Call("POST", f"/rest/v1/token-auth/tenants/{tenant}"), token))


@pytest.mark.parametrize("path", ISSUE)
def test_username_and_password_give_a_token_that_reads_and_starts(server, run_in, path):
    answer = login(server, path=path)
    assert answer.json.keys() == {"token"}
    assert answer.headers["Cache-Control"] == "no-store"
    run = run_in("running")
    for call in (VENDOR.status(run), VENDOR.start(run)):
        assert server.ask(presenting(call, answer.json["token"])).status == 200


def test_token_has_the_rights_of_its_credential(server, run_in):
    call = presenting(VENDOR.status(run_in("running")), issued(server, "viewer"))
    assert server.ask(call).status == 403


def test_a_token_is_for_etlworks_addresses_only(server, run_in):
    run, token = run_in("running"), issued(server)
    assert server.ask(presenting(Call("GET", f"/v1/runs/{run['run_id']}"), token)).status == 401


def test_a_token_of_another_tenant_sees_nothing(server, run_in):
    call = presenting(VENDOR.status(run_in("running")), issued(server, "stranger"))
    assert server.ask(call).status == 404


def test_valid_token_can_be_refreshed(server, run_in):
    token = issued(server)
    fresh = server.ask(presenting(REFRESH, token)).json["token"]
    call = VENDOR.status(run_in("running"))
    assert [server.ask(presenting(call, each)).status for each in (token, fresh)] == [200, 200]


def test_two_refreshes_at_once_both_give_a_valid_token(server, run_in):
    token, fresh = issued(server), []
    gate = threading.Barrier(8)

    def refresh():
        gate.wait()
        fresh.append(server.ask(presenting(REFRESH, token)))

    threads = [threading.Thread(target=refresh) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in fresh] == [200] * 8
    call = VENDOR.status(run_in("running"))
    for answer in fresh:
        assert server.ask(presenting(call, answer.json["token"])).status == 200


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "fl_nothing"])
def test_refresh_of_an_invalid_token_is_refused(server, token):
    answer = server.ask(presenting(REFRESH, token))
    assert answer.status == 401
    VENDOR.check_error(answer, REFRESH)


def test_token_of_a_revoked_credential_is_refused(server, run_in):
    key = server.run(
        server.service.credentials.create(tenant="default", role="operator", name="leaver")
    )
    call = Call("POST", ISSUE[0]).sending({"login": key.username, "password": key.password})
    token = server.ask(call).json["token"]
    status = presenting(VENDOR.status(run_in("running")), token)
    assert server.ask(status).status == 200
    server.run(server.service.credentials.revoke(key.key_id))
    assert server.ask(status).status == 401
    assert server.ask(call).status == 401


def test_ledger_wide_key_can_read_after_switching_to_a_tenant(server, run_in):
    chief = server.run(
        server.service.credentials.create(tenant="*", role="administrator", name="chief")
    )
    server.keys["chief"] = chief
    token, run = issued(server, "chief"), run_in("running")
    assert server.ask(presenting(VENDOR.status(run), token)).status == 403
    inside = switch(server, token, "default").json["token"]
    assert server.ask(presenting(VENDOR.status(run), inside)).status == 200
    assert server.ask(presenting(VENDOR.start(run), inside)).status == 200
    elsewhere = switch(server, inside, "elsewhere").json["token"]
    assert server.ask(presenting(VENDOR.status(run), elsewhere)).status == 404
    assert switch(server, inside, "nowhere").status == 404
    assert server.ask(presenting(REFRESH, inside)).status == 200


def test_tenant_key_can_switch_only_to_its_own_tenant(server):
    token = issued(server)
    assert switch(server, token, "default").status == 200
    for tenant in ("elsewhere", "nowhere"):
        answer = switch(server, token, tenant)
        assert (answer.status, answer.json["message"]) == (404, f"there is no tenant {tenant}")


def test_download_accepts_the_token_in_the_query(server, run_in):
    run, token = run_in("failed"), issued(server)
    ids = run["vendor_ids"]["etlworks"]
    target = "/rest/v1/executions/console/download?flowId={flowId}&auditId={auditId}"
    call = Call("GET", target.format(**ids) + f"&Authorization=Bearer%20{token}")
    assert server.ask(call).status == 200
    assert server.ask(Call("GET", call.target.replace(token, f"{token}x"))).status == 401
    assert server.ask(Call("GET", call.target.replace("Bearer%20", ""))).status == 401
    # The header goes first where there is one.
    assert server.ask(call.having(Authorization="Bearer nonsense")).status == 401


def test_other_routes_accept_the_token_in_the_query_only_if_configured(
    server, run_in, with_settings
):
    status, token = VENDOR.status(run_in("running")), issued(server)
    call = Call("GET", f"{status.target}&Authorization=Bearer%20{token}")
    assert server.ask(call).status == 401
    with_settings(etlworks_query_token=True)
    assert server.ask(call).status == 200


def test_listener_accepts_username_and_password(server, run_in):
    run, key = run_in("running"), server.keys["operator"]
    listener = Call("POST", f"/rest/v1/httplistener/{run['vendor_ids']['etlworks']['listener']}")
    assert (
        server.ask(listener.having(Authorization=basic(key.username, key.password))).status == 200
    )
    wrong = server.ask(listener.having(Authorization=basic(key.username, "wrong")))
    assert wrong.status == 401
    VENDOR.check_error(wrong, listener)
    status = VENDOR.status(run).having(Authorization=basic(key.username, key.password))
    assert server.ask(status).status == 401


def basic(username, password):
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
