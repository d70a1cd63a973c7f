"""The pipeline: who is admitted, and in whose words an error is answered."""

import asyncio
import gzip
import json

import pytest
from yarl import URL

from events import errors as log_errors
from service import errors
from service.runs.domain.errors import RunEnded
from tests.waiting import until


async def said(response):
    return (await response.json())["vendor"], response.status


async def raw(client, request: bytes) -> bytes:
    """What the server answers to bytes that no client library would send."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_valid_key_reaches_the_handler_with_its_principal(client, bearer):
    response = await client.get("/acme/runs/7", headers=bearer)
    assert response.status == 200
    assert await response.json() == {"id": "7", "tenant": "globex"}


async def test_position_set_by_the_handler_is_a_response_header(client, bearer):
    response = await client.get("/acme/runs/7", headers=bearer)
    assert response.headers["Flowledger-Position"] == "42"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer fl_unknown"},
        {"Authorization": "Bearer ünknown"},
    ],
)
async def test_missing_or_unknown_key_is_401(client, headers):
    response = await client.get("/acme/runs/7", headers=headers)
    assert await said(response) == ("acme", 401)


async def test_repeated_authorization_header_is_401(client, bearer):
    twice = [*bearer.items(), *bearer.items()]
    response = await client.get("/acme/runs/7", headers=twice)
    assert await said(response) == ("acme", 401)


async def test_role_without_the_right_is_403(client, bearer):
    response = await client.get("/acme/keys/7", headers=bearer)
    assert await said(response) == ("acme", 403)


async def test_ledger_wide_key_works_in_the_own_api_only(client, credentials):
    created = await credentials.create(tenant="*", role="auditor", name="auditor")
    headers = {"Authorization": f"Bearer {created.token}"}
    assert await said(await client.get("/acme/runs/7", headers=headers)) == ("acme", 403)
    assert (await client.get("/own/runs/7", headers=headers)).status == 200


async def test_open_route_needs_no_key(client):
    assert (await client.get("/acme/ping")).status == 200


@pytest.mark.parametrize(
    ("path", "owner"), [("/acme/nothing", "acme"), ("/nothing", "own"), ("/", "own")]
)
async def test_unknown_path_is_404_in_the_words_of_its_dialect(client, path, owner):
    assert await said(await client.get(path)) == (owner, 404)


async def test_wrong_method_is_405_with_the_allowed_methods(client):
    response = await client.delete("/acme/ping")
    assert await said(response) == ("acme", 405)
    assert response.headers["Allow"] == "GET, HEAD"


async def test_allow_header_covers_every_resource_that_matches_the_path(client):
    # Two lead there: one takes a DELETE, the other, with a pattern in front, a GET.
    response = await client.post("/x/acme/runs/7")
    assert response.headers["Allow"] == "DELETE, GET, HEAD"


async def test_options_asterisk_is_404_of_the_own_api(client):
    answer = await raw(client, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert json.loads(body)["vendor"] == "own"


@pytest.mark.parametrize("target", [b"CONNECT x:80", b"GET http://x"])
async def test_request_without_a_path_is_404(client, target):
    answer = await raw(client, target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_dialect_may_answer_options_itself(client):
    response = await client.options("/acme/runs")
    assert (response.status, await response.read()) == (200, b"")
    assert response.headers["Allow"] == "POST"


async def test_head_is_served_wherever_get_is(client, bearer):
    response = await client.head("/acme/runs/7", headers=bearer)
    assert (response.status, await response.read()) == (200, b"")
    assert (await client.head("/acme/runs/7")).status == 401


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (errors.BadRequest("x"), 400),
        (errors.InvalidPayload(["x"]), 400),
        (errors.Unauthenticated(), 401),
        (errors.Forbidden(), 403),
        (errors.UnknownRun("7"), 404),
        (RunEnded(), 409),
        (errors.FlowBusy(), 409),
        (errors.TooLarge(), 413),
        (errors.UnsupportedMediaType(), 415),
        (errors.IdempotencyKeyReused(), 422),
        (errors.Overloaded(), 503),
        (errors.PositionNotReached(), 503),
        (log_errors.LogUnavailable(), 503),
        (log_errors.LogBusy(), 503),
        (log_errors.AppendTimeout(), 503),
        (log_errors.MalformedJson("x"), 400),
        (log_errors.InvalidEvent("x"), 400),
        (log_errors.MissingPositions(1, 2), 500),
        (RuntimeError("secret"), 500),
        (errors.ServiceError("broken"), 500),
    ],
)
async def test_every_error_has_the_dialects_body_and_status(client, failures, failure, status):
    failures.append(failure)
    response = await client.get("/acme/fail")
    assert await said(response) == ("acme", status)
    assert ("Retry-After" in response.headers) is (status == 503)


async def test_unavailable_sets_retry_after(client, failures):
    failures.append(errors.Unavailable(retry_after_s=7))
    assert (await client.get("/acme/fail")).headers["Retry-After"] == "7"


async def test_crash_is_logged_once_under_the_request_id_of_the_answer(client, failures, logged):
    failures.append(RuntimeError("boom"))
    response = await client.get("/acme/fail?api_key=sesame", headers={"X-Request-Id": "abc-1"})
    assert response.headers["X-Request-Id"] == "abc-1"
    assert "abc-1" in (await response.json())["says"]
    assert "boom" not in await response.text()
    (crash,) = [entry for entry in logged() if entry["level"] == "error"]
    assert (crash["request_id"], crash["path"]) == ("abc-1", "/acme/fail")
    assert crash["exception"].count("RuntimeError: boom") == 1
    assert "sesame" not in str(crash)


async def test_refusal_is_logged_as_refused_not_as_a_crash(client, failures, logged):
    failures.append(errors.BadRequest("x"))
    await client.get("/acme/fail")
    assert [entry["event"] for entry in logged()] == ["refused"]


async def test_crash_after_the_response_began_closes_the_connection(client, failures):
    failures.append(RuntimeError("late"))
    answer = await raw(client, b"GET /acme/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"begun" in answer
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("given", ["x" * 129, "a b", "a\tb"])
async def test_malformed_request_id_is_replaced(client, given):
    response = await client.get("/acme/nothing", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] != given


@pytest.mark.parametrize(
    "target",
    [
        "/acme/runs/%00",
        "/acme/runs/%",
        "/acme/runs/%zz",
        "/acme/runs/%ff",
        "/acme/runs/%c3%28",
        "/acme/runs/1?page=%00",
        "/acme/runs/1?page=%ff",
        "/acme/runs/1?page=%ed%a0%80",
    ],
)
async def test_url_with_broken_encoding_is_400(client, bearer, target):
    response = await client.get(URL(target, encoded=True), headers=bearer)
    assert await said(response) == ("acme", 400)


@pytest.mark.parametrize("target", [b"/acme/runs/\xff", b"/acme/runs/1?x=\xff"])
async def test_url_with_raw_non_utf8_bytes_is_400(client, target):
    answer = await raw(
        client, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert b" 400 Bad Request" in answer


async def test_url_in_utf8_is_served(client, bearer):
    response = await client.get("/acme/runs/%C3%BC", headers=bearer)
    assert (await response.json())["id"] == "ü"


async def test_json_body_is_parsed(client, bearer):
    response = await client.post("/acme/runs", headers=bearer, json={"name": "x"})
    assert response.status == 201
    assert await response.json() == {"body": {"name": "x"}, "actor": "night shift"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'"\xff"',
        b"NaN",
        b'{"a": 1e999}',
        b'"\\u0000"',
        b"18446744073709551616",
        b"[" * 300 + b"]" * 300,
        b'"\\ud800"',
    ],
)
async def test_body_that_is_not_storable_json_is_400(client, bearer, body):
    response = await client.post("/acme/runs", headers=bearer, data=body)
    assert await said(response) == ("acme", 400)


async def test_body_over_the_size_limit_is_413(client, bearer):
    fits, too_long = (json.dumps("x" * (size - 2)).encode() for size in (1000, 1001))
    assert (await client.post("/acme/runs", headers=bearer, data=fits)).status == 201
    response = await client.post("/acme/runs", headers=bearer, data=too_long)
    assert await said(response) == ("acme", 413)


async def test_body_that_decompresses_over_the_size_limit_is_413(client, bearer):
    packed = gzip.compress(json.dumps("x" * 100_000).encode())
    response = await client.post(
        "/acme/runs", headers=bearer | {"Content-Encoding": "gzip"}, data=packed
    )
    assert await said(response) == ("acme", 413)


async def test_body_that_does_not_decompress_is_400(client, bearer):
    response = await client.post(
        "/acme/runs", headers=bearer | {"Content-Encoding": "gzip"}, data=b"plain text"
    )
    assert response.status == 400


async def test_body_that_does_not_arrive_in_time_is_400(client, bearer, monkeypatch):
    monkeypatch.setattr("service.http.messages.BODY_TIMEOUT_S", 0.1)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = "POST /acme/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nAuthorization: "
    writer.write(f'{head}{bearer["Authorization"]}\r\n\r\n{{"half'.encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert answer.startswith(b"HTTP/1.1 400 ")
    writer.close()
    await writer.wait_closed()


async def test_body_cut_short_affects_no_other_request(client, bearer, logged):
    token = bearer["Authorization"].encode()
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        b"POST /acme/runs HTTP/1.1\r\nHost: x\r\nAuthorization: "
        + token
        + b"\r\nContent-Length: 99\r\n\r\n{"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await client.get("/acme/ping")).status == 200
    assert not [entry for entry in logged() if entry["level"] == "error"]


async def test_unknown_expectation_is_ignored(client):
    assert (await client.get("/acme/ping", headers={"Expect": "gold"})).status == 200
    nowhere = await client.get("/acme/nowhere", headers={"Expect": "gold"})
    assert await said(nowhere) == ("acme", 404)


async def test_expect_100_continue_is_answered(client, bearer):
    response = await client.post("/acme/runs", headers=bearer, json={"name": "x"}, expect100=True)
    assert response.status == 201


async def test_client_that_disconnects_is_counted_as_499(client, registry, waiting):
    def value(name, **labels):
        return registry.get_sample_value(f"flowledger_http_{name}", labels or None)

    def counted(status):
        route = {"dialect": "acme", "method": "GET", "route": "/acme/wait", "status": status}
        return value("request_seconds_count", **route)

    asked, let_go = waiting
    client.server.handler.handler_cancellation = False  # as it is where we serve
    _, leaver = await asyncio.open_connection(client.host, client.port)
    leaver.write(b"GET /acme/wait HTTP/1.1\r\nHost: x\r\n\r\n")
    stayer = asyncio.create_task(client.get("/acme/wait"))
    await until(lambda: len(asked) == 2)
    assert value("requests_in_flight") == 2
    leaver.close()
    await until(lambda: any(request.transport is None for request in asked))
    let_go.set()
    assert (await stayer).status == 200
    await until(lambda: value("requests_in_flight") == 0)
    assert (counted("499"), counted("200")) == (1, 1)
