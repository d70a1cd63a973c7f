"""Logs: one line an entry, and never a secret in it."""

import io
import json
import logging

import pytest
import structlog

from service.ops.logs import configure_logs, redact_text

TOKEN = "fl_Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6MDEyMw"


@pytest.fixture
def stream():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def entries(stream):
    configure_logs(format="json", level="info", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_entry_is_a_line_of_json(entries):
    structlog.get_logger("service.x").info("began", port=8080)
    (entry,) = entries()
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "began", "level": "info", "logger": "service.x", "port": 8080}


def test_a_librarys_entry_has_the_same_shape(entries):
    logging.getLogger("aiohttp.server").warning("odd %s", "thing")
    (entry,) = entries()
    assert (entry["event"], entry["level"]) == ("odd thing", "warning")


def test_what_is_below_the_level_is_left_out(entries):
    structlog.get_logger("service.x").debug("quiet")
    logging.getLogger("service.y").debug("quiet")
    assert entries() == []


def test_a_traceback_is_part_of_its_entry(entries):
    structlog.get_logger("service.x").error("crashed", exc_info=ValueError("boom"))
    (entry,) = entries()
    assert entry["exception"].endswith("ValueError: boom")


def test_the_console_is_readable(stream):
    configure_logs(format="console", level="info", stream=stream)
    structlog.get_logger("service.x").info("began", port=8080, token="sesame")
    assert "began" in stream.getvalue()
    assert "sesame" not in stream.getvalue()


def test_configuring_again_does_not_double_the_lines(stream):
    for _ in range(2):
        configure_logs(format="json", level="info", stream=stream)
    structlog.get_logger("service.x").info("once")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "x-api-key",
        "api_key",
        "apiKey",
        "token",
        "password",
        "secret_key",
        "x-ncp-apigw-signature-v2",
        "x-ncp-iam-access-key",
        "cookie",
        "FLOWLEDGER_DATABASE_URL",
    ],
)
def test_what_is_named_like_a_secret_is_redacted_at_any_depth(entries, name):
    structlog.get_logger("service.x").info("x", **{name: "sesame"}, headers=[{name: "sesame"}])
    assert "sesame" not in str(entries())


def test_what_is_no_secret_stays(entries):
    structlog.get_logger("service.x").info("x", key_id="k-1", numbers=(1, 2), path="/v1/runs")
    (entry,) = entries()
    assert (entry["key_id"], entry["numbers"], entry["path"]) == ("k-1", [1, 2], "/v1/runs")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer sesame-0123",
        "authorization: basic sesame0123==",
        "GET /rest/v1/executions/1?Authorization=Bearer%20sesame&auditId=2",
        "GET /rest/v1/executions/console/download?flowId=1&Authorization=Bearer%20eyJ0.sesame.x-_",
        "GET /rest/v1/executions/1?%41uthorization=bearer+eyJ0.sesame.x-_",
        "GET /api/pub/v1/dataflows/1/start?api_key=sesame",
        "x-api-key: sesame",
        "{'token': 'sesame', 'n': 1}",
        '{"password": "sesame"}',
        "secret_key=sesame",
        "connecting to postgresql://flow:sesame@db:5432/ledger",
        "using Bearer sesame-0123",
    ],
)
def test_a_secret_within_a_text_is_redacted(text):
    assert "sesame" not in redact_text(text)


@pytest.mark.parametrize("text", [TOKEN, f"({TOKEN})", f"sent {TOKEN}, refused"])
def test_our_own_tokens_are_redacted_wherever_they_stand(text):
    assert TOKEN not in redact_text(text)


def test_a_text_without_secrets_stays():
    text = "run 7 of example.ETL failed: no such table; see token table, authorization needed"
    assert redact_text(text) == text


def test_a_secret_in_a_traceback_is_redacted(entries):
    error = ValueError(f"bad header Authorization: Bearer {TOKEN}")
    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=error)
    assert TOKEN not in str(entries())
