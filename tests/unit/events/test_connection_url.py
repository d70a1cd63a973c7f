"""The URL of the database: each part works, or is named with what to give instead."""

import inspect
import subprocess
import sys
from urllib.parse import quote

import asyncpg.connect_utils
import pytest

from events.connection_url import _ADVICE, _ENCODE, _ONE_OF, _WITHOUT_EFFECT, parse_connection_url
from events.errors import InvalidConnectionUrl

SECRETS = [
    "se#same",
    "se@same",
    "se/same",
    "se%same",
    "se same",
    "se?same",
    "se[same]",
    "12/same",
    "12?same",
]
WITH_QUERY = "postgresql://u:p@h/d?"


def seen_by_driver(url):
    """The host, user, password and database that asyncpg takes from a checked URL."""
    parse = asyncpg.connect_utils._parse_connect_dsn_and_args
    nothing = dict.fromkeys(inspect.signature(parse).parameters)
    dsn = parse_connection_url(url).dsn
    addresses, parameters = parse(**nothing | {"dsn": dsn})
    return addresses, parameters


@pytest.mark.parametrize("password", SECRETS)
def test_password_that_is_not_encoded_is_named_as_the_cause_and_not_shown(password):
    with pytest.raises(InvalidConnectionUrl, match=r"percent-encoded|%3F") as refused:
        parse_connection_url(f"postgresql://user:{password}@host:5432/db")
    assert "same" not in str(refused.value)


@pytest.mark.parametrize("password", [*SECRETS, "a:b", "a+b", "ü€"])
def test_encoded_password_reaches_the_driver_as_it_is(password):
    _, parameters = seen_by_driver(
        f"postgresql://user:{quote(password, safe='')}@h/d?sslmode=disable"
    )
    assert (parameters.user, parameters.password, parameters.database) == ("user", password, "d")


def test_named_command_encodes_a_password():
    code = _ENCODE.removeprefix("python3 -c '").removesuffix("'").replace("getpass()", "'p#s@/ %'")
    code = code.replace("from getpass import getpass; ", "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "p%23s%40%2F%20%25\n"


@pytest.mark.parametrize("url", ["", "sesame", "mysql://u:sesame@h/d", "postgresql:/h/d"])
def test_anything_else_is_no_postgres_url(url):
    with pytest.raises(InvalidConnectionUrl, match="not a Postgres URL") as refused:
        parse_connection_url(url)
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("url", ["postgresql://u:sesame@h:x/d", "postgresql://h:port/d"])
def test_port_that_is_no_number_is_named(url):
    with pytest.raises(InvalidConnectionUrl, match="port that is not a number") as refused:
        parse_connection_url(url)
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("postgresql://u@/d?host=/tmp/s&port=5433", ["/tmp/s/.s.PGSQL.5433"]),
        ("postgres://u:p@%2Ftmp%2Fs/d", ["/tmp/s/.s.PGSQL.5432"]),
        ("postgresql://u@a,b:5433/d", [("a", 5432), ("b", 5433)]),
        ("postgresql://u@[::1]:5433/d", [("::1", 5433)]),
    ],
)
def test_sockets_lists_of_hosts_and_addresses_are_taken(url, addresses):
    assert seen_by_driver(url)[0] == addresses


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in _WITHOUT_EFFECT.items() for v in values]
)
def test_parameter_that_asks_for_what_happens_anyway_is_taken_and_not_sent(name, value):
    assert seen_by_driver(f"{WITH_QUERY}{name}={value}")[1].server_settings is None


@pytest.mark.parametrize(("name", "advice"), _ADVICE.items())
def test_parameter_that_cannot_work_is_named_with_what_to_do(name, advice):
    with pytest.raises(InvalidConnectionUrl) as refused:
        parse_connection_url(f"{WITH_QUERY}{name}=require")
    assert f"{name}='require'" in str(refused.value)
    assert advice in str(refused.value)


def test_unknown_parameter_is_named_without_its_value():
    with pytest.raises(InvalidConnectionUrl, match=r"options=-c%20work_mem%3D") as refused:
        parse_connection_url(f"{WITH_QUERY}work_mem=sesame")
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("value", ["disable", "allow", "prefer", "require"])
def test_sslmode_without_certificates_is_the_drivers(value):
    assert seen_by_driver(f"{WITH_QUERY}sslmode={value}")[1].sslmode.name == value


@pytest.mark.parametrize("value", ["verify-ca", "verify-full"])
def test_sslmode_that_verifies_needs_certificates(value, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InvalidConnectionUrl, match="sslrootcert=FILE"):
        parse_connection_url(f"{WITH_QUERY}sslmode={value}")
    (tmp_path / "root.crt").touch()
    parse_connection_url(f"{WITH_QUERY}sslmode={value}&sslrootcert={tmp_path}/root.crt")


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
def test_missing_certificate_is_named(name):
    with pytest.raises(InvalidConnectionUrl, match=f"{name}='/none'"):
        parse_connection_url(f"{WITH_QUERY}{name}=/none")


def test_certificates_of_the_system_are_named_by_their_file():
    with pytest.raises(InvalidConnectionUrl, match=r"ca-certificates\.crt"):
        parse_connection_url(f"{WITH_QUERY}sslrootcert=system")


@pytest.mark.parametrize(
    ("parameter", "hint"),
    [
        ("sslmode=no-verify", "give one of disable, allow"),
        ("target_session_attrs=standby", "give one of any, read-write, primary"),
        ("connect_timeout=0", "from 1 to 30"),
        ("connect_timeout=soon", "from 1 to 30"),
    ],
)
def test_wrong_value_is_named_with_the_right_ones(parameter, hint):
    with pytest.raises(InvalidConnectionUrl, match=hint):
        parse_connection_url(WITH_QUERY + parameter)


@pytest.mark.parametrize("value", _ONE_OF["target_session_attrs"])
def test_server_that_takes_writes_may_be_asked_for(value):
    seen = seen_by_driver(f"{WITH_QUERY}target_session_attrs={value}")[1]
    assert seen.target_session_attrs.value == value


def test_timeout_and_name_are_applied_and_options_are_sent():
    url = f"{WITH_QUERY}connect_timeout=7&application_name=flow%20x&options=-c%20work_mem%3D8MB"
    parsed = parse_connection_url(url)
    assert (parsed.connect_timeout_s, parsed.application_name) == (7, "flow x")
    assert seen_by_driver(url)[1].server_settings == {"options": "-c work_mem=8MB"}
    assert "u:p@h" not in repr(parsed)
