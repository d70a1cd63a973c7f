"""The headers that `flowledger sign` prints are those of the vectors, and a server lets them in."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from service.cli.sign import VERB
from tests.unit.dialects.naver.test_auth import ACCESS_KEY, SECRET, TIMESTAMP, VECTORS

KEYS = {"NCLOUD_ACCESS_KEY": ACCESS_KEY, "NCLOUD_SECRET_KEY": SECRET}
PATH = VECTORS[0][1]


def signing(verb, *arguments, env=KEYS):
    assert verb == VERB.name
    return CliRunner(env=dict.fromkeys(KEYS) | env).invoke(VERB, arguments)


def good(done):
    assert done.exit_code == 0, done.output
    return done.stdout


def headers(text):
    return dict(line.split(": ", 1) for line in text.splitlines())


def wrong(done):
    assert done.exit_code == 2, done.output
    assert SECRET not in done.stderr
    return done.stderr


@pytest.mark.parametrize(("method", "uri", "signature"), VECTORS)
def test_vendors_test_vector_is_printed_as_headers(method, uri, signature):
    output = good(signing("sign", method.lower(), uri, "--timestamp", TIMESTAMP))
    assert headers(output) == {
        "x-ncp-apigw-timestamp": TIMESTAMP,
        "x-ncp-iam-access-key": ACCESS_KEY,
        "x-ncp-apigw-signature-v2": signature,
    }


def test_scheme_and_authority_are_not_signed():
    url = f"https://ledger.example:8443{PATH}"
    output = good(signing("sign", "GET", url, "--timestamp", TIMESTAMP))
    assert headers(output)["x-ncp-apigw-signature-v2"] == VECTORS[0][2]


def test_time_defaults_to_now():
    before = time.time_ns() // 1_000_000
    at = int(headers(good(signing("sign", "GET", PATH)))["x-ncp-apigw-timestamp"])
    assert before <= at <= time.time_ns() // 1_000_000


def test_key_file_overrides_the_environment(tmp_path):
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"access_key": "ANOTHER", "secret_key": "s"}))
    output = headers(good(signing("sign", "GET", PATH, "--keys", str(file))))
    assert output["x-ncp-iam-access-key"] == "ANOTHER"


def test_options_override_the_environment():
    output = signing("sign", "GET", PATH, "--access-key", "ANOTHER", "--secret-key", "s")
    assert headers(good(output))["x-ncp-iam-access-key"] == "ANOTHER"


def test_missing_key_error_names_the_setting():
    assert "NCLOUD_SECRET_KEY" in wrong(signing("sign", "GET", PATH, env={}))


@pytest.mark.parametrize(
    "arguments",
    [
        ("GET", "api/v1/workflows"),
        ("GET", "/api/v1/workflows?filter=a b"),
        ("GET", "/api/v1/workflows#top"),
        ("GET", "/api/v1/workflows?filter=é"),
        ("GET", "ftp://ledger.example/api"),
        ("GET", ""),
        ("G T", PATH),
        ("GET", PATH, "--timestamp", "soon"),
        ("GET", PATH, "--timestamp", "-1"),
        ("GET", PATH, "--curl"),
        ("GET", PATH, "--keys", "/nowhere.json"),
        ("GET", PATH, "--keys", __file__),
    ],
)
def test_unsignable_request_is_refused(arguments):
    wrong(signing("sign", *arguments))


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
@pytest.mark.parametrize("query", ["", "?filter=a%2Bb&x=[1]", "?filter='$HOME'"])
def test_curl_command_is_authenticated(server, run_in, tmp_path, query):
    key = server.keys["viewer"]
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"access_key": key.access_key, "secret_key": key.secret_key}))
    workflow = run_in("queued")["vendor_ids"]["naver"]["workflowId"]
    address = f"http://127.0.0.1:{server.ports[False]}/api/v1/workflows/{workflow}{query}"
    sign = [sys.executable, "-m", "service", "sign", "GET", address, "--keys", str(file), "--curl"]
    line = subprocess.run(sign, capture_output=True, check=True, text=True, timeout=60).stdout
    words = shlex.split(line)
    answer = subprocess.run(words, capture_output=True, check=True, timeout=30)
    assert json.loads(answer.stdout)["workflowId"] == workflow
