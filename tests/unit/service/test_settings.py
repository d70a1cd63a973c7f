"""Settings: what is right is read, what is wrong fails the start and names itself."""

import base64
import secrets

import pytest

from service.errors import InvalidSetting
from service.settings import (
    OpenAccess,
    Settings,
    make_secret_key,
    parse_secret_key,
    read_settings,
    secret_key_file,
)

KEY = bytes(range(32))


def read(**variables):
    return read_settings({f"FLOWLEDGER_{name}": value for name, value in variables.items()})


def test_nothing_given_gives_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read() == Settings(home=tmp_path / ".flowledger")


def test_an_empty_variable_counts_as_not_given(tmp_path):
    assert read(PORT="", HOME=str(tmp_path), SECRET_KEY=" ").port == 8080


def test_everything_given_is_read(tmp_path):
    given = read(
        DATABASE_URL="postgresql://u:p@h/d",
        HOST="0.0.0.0",
        PORT="0",
        HOME=str(tmp_path),
        FLOWS=str(tmp_path),
        SECRET_KEY=KEY.hex(),
        SLOTS="3",
        MAX_BODY="2048",
        DIRECTOR_OPEN="acme:executer",
        ETLWORKS_TOKEN_LIFE="86400",
        ETLWORKS_QUERY_TOKEN="true",
        ETLWORKS_SIX_WORDS="acme, other,",
        INVISION_STRICT_500="true",
        LOG_FORMAT="json",
        LOG_LEVEL="warning",
        GRACE="5",
        RETENTION_OFFSET="100",
    )
    assert given == Settings(
        database_url="postgresql://u:p@h/d",
        host="0.0.0.0",
        port=0,
        home=tmp_path,
        flows=tmp_path,
        secret_key=KEY,
        slots=3,
        max_body=2048,
        director_open=OpenAccess("acme", "operator"),
        etlworks_token_life_s=86400,
        etlworks_query_token=True,
        etlworks_six_words=frozenset({"acme", "other"}),
        invision_strict_500=True,
        log_format="json",
        log_level="warning",
        grace_s=5,
        retention_offset=100,
    )


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("DATABASE_URL", "mysql://u:sesame@h/d", "postgresql://"),
        ("DATABASE_URL", "sesame", "postgresql://"),
        ("PORT", "http", "from 0 to 65535"),
        ("PORT", "65536", "from 0 to 65535"),
        ("PORT", "-1", "from 0 to 65535"),
        ("PORT", "80.0", "from 0 to 65535"),
        ("PORT", "٨٠", "from 0 to 65535"),
        ("FLOWS", "/no/such/folder", "flows.yaml"),
        ("DIRECTOR_UI", "/no/such/folder", "celery-director"),
        ("DIRECTOR_UI", "/", "templates/index.html"),
        ("SECRET_KEY", "sesame", "token_urlsafe(32)"),
        ("SECRET_KEY", "z" * 64, "token_urlsafe(32)"),
        ("SLOTS", "0", "from 1 to 1000"),
        ("SLOTS", "many", "from 1 to 1000"),
        ("MAX_BODY", "1", "from 1024"),
        ("MAX_BODY", "1MiB", "from 1024"),
        ("DIRECTOR_OPEN", "acme", "tenant:role"),
        ("DIRECTOR_OPEN", ":viewer", "tenant:role"),
        ("DIRECTOR_OPEN", "acme:root", "viewer"),
        ("DIRECTOR_OPEN", "*:viewer", "tenant:role"),
        ("ETLWORKS_TOKEN_LIFE", "9", "from 10 to 2592000"),
        ("ETLWORKS_QUERY_TOKEN", "yes", "true or false"),
        ("ETLWORKS_SIX_WORDS", "acme,no tenant", "acme,other"),
        ("INVISION_STRICT_500", "500", "true or false"),
        ("LOG_FORMAT", "xml", "json, console"),
        ("LOG_LEVEL", "loud", "debug, info"),
        ("GRACE", "-1", "from 0 to 3600"),
        ("GRACE", "1h", "from 0 to 3600"),
    ],
)
def test_a_wrong_value_names_itself_and_what_it_may_be(name, value, hint):
    with pytest.raises(InvalidSetting) as refused:
        read(**{name: value})
    assert refused.value.name == f"FLOWLEDGER_{name}"
    assert f"FLOWLEDGER_{name}" in str(refused.value)
    assert hint in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_a_missing_database_names_itself():
    with pytest.raises(InvalidSetting, match=r"FLOWLEDGER_DATABASE_URL is not set.*postgresql://"):
        Settings().require_database_url  # noqa: B018 - asking is enough


def test_a_missing_secret_key_says_how_to_make_one():
    with pytest.raises(InvalidSetting, match=r"FLOWLEDGER_SECRET_KEY is not set; make one with"):
        Settings().require_secret_key  # noqa: B018 - asking is enough


def test_repr_of_a_new_credential_hides_its_secrets():
    shown = repr(Settings(database_url="postgresql://u:sesame@h/d", secret_key=b"sesame"))
    assert "sesame" not in shown


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        base64.urlsafe_b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
    ],
)
def test_a_secret_key_may_be_hex_or_base64url(text):
    assert parse_secret_key(text) == KEY


def test_the_way_to_make_a_secret_key_that_errors_name_works():
    assert len(parse_secret_key(secrets.token_urlsafe(32))) == 32


def test_a_made_secret_key_is_private_kept_and_read(tmp_path):
    make_secret_key(tmp_path)
    key = read(HOME=str(tmp_path)).require_secret_key
    make_secret_key(tmp_path)
    assert read(HOME=str(tmp_path)).require_secret_key == key
    assert secret_key_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_given_secret_key_goes_before_the_made_one(tmp_path):
    make_secret_key(tmp_path)
    assert read(HOME=str(tmp_path), SECRET_KEY=KEY.hex()).secret_key == KEY


def test_a_secret_key_that_others_can_read_is_refused(tmp_path):
    make_secret_key(tmp_path)
    secret_key_file(tmp_path).chmod(0o644)
    with pytest.raises(InvalidSetting, match="chmod 600"):
        read(HOME=str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe"])
def test_a_damaged_secret_key_is_refused(tmp_path, content):
    make_secret_key(tmp_path)
    secret_key_file(tmp_path).write_bytes(content)
    with pytest.raises(InvalidSetting, match="FLOWLEDGER_SECRET_KEY"):
        read(HOME=str(tmp_path))


def test_the_environment_is_read(monkeypatch):
    monkeypatch.setenv("FLOWLEDGER_SLOTS", "5")
    assert read_settings().slots == 5
