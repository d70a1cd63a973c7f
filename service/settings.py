"""Settings: FLOWLEDGER_* variables, read once; an error names the variable and what it may be."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Literal, NamedTuple, cast, get_args

from events.connection_url import parse_connection_url
from events.errors import InvalidConnectionUrl
from events.types import EVERY_TENANT
from service.access import ALIASES, RIGHTS, TENANT
from service.errors import InvalidSetting

LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

SECRET_KEY_BYTES: Final = 32
MAKE_SECRET_KEY: Final = (
    "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"  # noqa: S105 - says how
)
KEEP_ALL_RUNS: Final = -1
"""The retention offset of flows whose runs never leave their lists."""

MAX_KEPT_RUNS: Final = 1_000_000_000
_MIB: Final = 1024 * 1024
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")
_ORIGIN: Final = re.compile(r"https?://[^/\s,]+")


class OpenAccess(NamedTuple):
    """The tenant and role of requests without a credential, where a dialect allows them."""

    tenant: str
    role: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one process.

    ``database_url`` None means the embedded Postgres in ``home``. ``flows`` is the folder with
    flows.yaml and the tasks of the workers. ``database_timeout_s`` is how long a statement may take
    before the database counts as unavailable, ``ready_lag_s`` how far a read model may be behind
    while the process counts as ready, ``drain_s`` how long it still serves after a stop signal
    while it says that it is not ready. ``database_silence_s`` is how long the database may be
    silent, and ``watchdog_s`` how long the event loop may stand still, before the process ends; 0
    is for ever. ``max_body`` is in bytes. ``keepalive_s`` is how long a connection may wait for its
    next request; 0 in ``connections_per_address`` is any number. ``allowed_hosts`` empty is all;
    ``allowed_origins`` are those of other sites whose pages may use the APIs. ``grace_s`` limits
    how long running tasks and requests may take after a stop signal. ``director_ui`` is the folder
    with the templates and static files of Director's user interface. ``etlworks_six_words`` are the
    tenants whose Etlworks clients know six status words, ``*`` for all. ``invision_strict_500``
    gives every InVision error the one status that the vendor documents. ``retention_offset`` is the
    number of runs kept in the lists of flows without `retention`, -1 for all.
    """

    database_url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    home: Path = Path(".flowledger")
    flows: Path | None = None
    secret_key: bytes | None = field(default=None, repr=False)
    old_secret_key: bytes | None = field(default=None, repr=False)
    slots: int = 8
    database_timeout_s: float = 10.0
    ready_lag_s: float = 30.0
    database_silence_s: float = 0.0
    watchdog_s: float = 60.0
    max_body: int = _MIB
    keepalive_s: float = 75.0
    connections_per_address: int = 1000
    allowed_hosts: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    director_open: OpenAccess | None = None
    director_ui: Path | None = None
    etlworks_token_life_s: int = 600
    etlworks_query_token: bool = False
    etlworks_six_words: frozenset[str] = frozenset()
    invision_strict_500: bool = False
    log_format: LogFormat = "console"
    log_level: LogLevel = "info"
    drain_s: float = 2.0
    grace_s: float = 20.0
    retention_offset: int = KEEP_ALL_RUNS

    @property
    def require_database_url(self) -> str:
        """The URL of the database.

        Raises:
            InvalidSetting: it is not set.
        """
        if self.database_url is None:
            raise InvalidSetting(
                "FLOWLEDGER_DATABASE_URL",
                "is not set; name a Postgres 15 or newer: postgresql://user:password@host/database",
            )
        return self.database_url

    @property
    def require_old_secret_key(self) -> bytes:
        """The previous key for signing secrets, 32 bytes.

        Raises:
            InvalidSetting: it is not set.
        """
        if self.old_secret_key is None:
            raise InvalidSetting(
                "FLOWLEDGER_OLD_SECRET_KEY",
                "is not set; set it to the previous key, and FLOWLEDGER_SECRET_KEY to the new one",
            )
        return self.old_secret_key

    @property
    def require_secret_key(self) -> bytes:
        """The key that encrypts signing secrets, 32 bytes.

        Raises:
            InvalidSetting: it is not set.
        """
        if self.secret_key is None:
            raise InvalidSetting("FLOWLEDGER_SECRET_KEY", f"is not set; {MAKE_SECRET_KEY}")
        return self.secret_key


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; an empty variable counts as not set.

    Raises:
        InvalidSetting: a value is wrong; the message says what it may be.
    """
    variables = _Environment(environ)
    home = Path(variables.text("FLOWLEDGER_HOME") or ".flowledger").absolute()
    return Settings(
        database_url=variables.database_url("FLOWLEDGER_DATABASE_URL"),
        host=variables.text("FLOWLEDGER_HOST") or "127.0.0.1",
        port=variables.whole("FLOWLEDGER_PORT", 8080, low=0, high=65535),
        home=home,
        flows=variables.folder("FLOWLEDGER_FLOWS", "name one with flows.yaml"),
        secret_key=variables.secret_key("FLOWLEDGER_SECRET_KEY", secret_key_file(home)),
        old_secret_key=variables.secret_key("FLOWLEDGER_OLD_SECRET_KEY"),
        database_timeout_s=variables.whole("FLOWLEDGER_DATABASE_TIMEOUT", 10, low=1, high=3600),
        database_silence_s=variables.whole("FLOWLEDGER_DATABASE_SILENCE", 0, low=0, high=86400),
        watchdog_s=variables.whole("FLOWLEDGER_WATCHDOG", 60, low=0, high=86400),
        ready_lag_s=variables.whole("FLOWLEDGER_READY_LAG", 30, low=1, high=86400),
        slots=variables.whole("FLOWLEDGER_SLOTS", 8, low=1, high=1000),
        max_body=variables.whole("FLOWLEDGER_MAX_BODY", _MIB, low=1024, high=64 * _MIB),
        keepalive_s=variables.whole("FLOWLEDGER_KEEPALIVE", 75, low=1, high=3600),
        connections_per_address=variables.whole(
            "FLOWLEDGER_CONNECTIONS_PER_ADDRESS", 1000, low=0, high=1_000_000
        ),
        allowed_hosts=variables.hosts("FLOWLEDGER_ALLOWED_HOSTS"),
        allowed_origins=variables.origins("FLOWLEDGER_ALLOWED_ORIGINS"),
        director_open=variables.open_access("FLOWLEDGER_DIRECTOR_OPEN"),
        director_ui=variables.folder(
            "FLOWLEDGER_DIRECTOR_UI",
            "name the folder of the package celery-director, with templates and static",
            holds=("templates/index.html", "templates/error.html", "static/script.js"),
        ),
        etlworks_token_life_s=variables.whole(
            "FLOWLEDGER_ETLWORKS_TOKEN_LIFE", 600, low=10, high=30 * 86_400
        ),
        etlworks_query_token=variables.flag("FLOWLEDGER_ETLWORKS_QUERY_TOKEN"),
        etlworks_six_words=variables.tenants("FLOWLEDGER_ETLWORKS_SIX_WORDS"),
        invision_strict_500=variables.flag("FLOWLEDGER_INVISION_STRICT_500"),
        log_format=cast(
            "LogFormat", variables.one_of("FLOWLEDGER_LOG_FORMAT", LogFormat, "console")
        ),
        log_level=cast("LogLevel", variables.one_of("FLOWLEDGER_LOG_LEVEL", LogLevel, "info")),
        drain_s=variables.whole("FLOWLEDGER_DRAIN", 2, low=0, high=600),
        grace_s=variables.whole("FLOWLEDGER_GRACE", 20, low=0, high=3600),
        retention_offset=variables.whole(
            "FLOWLEDGER_RETENTION_OFFSET", KEEP_ALL_RUNS, low=KEEP_ALL_RUNS, high=MAX_KEPT_RUNS
        ),
    )


def secret_key_file(home: Path) -> Path:
    """Return the path of the key that `demo` makes; FLOWLEDGER_SECRET_KEY takes precedence."""
    return home / "secret_key"


def make_secret_key(home: Path) -> None:
    """Create the secret key's file with mode 600, unless it exists.

    Raises:
        InvalidSetting: the folder is not writable.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        # A hard link is atomic: of two processes one wins, and neither reads half a key.
        with NamedTemporaryFile("w", dir=home, prefix="secret_key.") as file:
            file.write(secrets.token_urlsafe(SECRET_KEY_BYTES))
            file.flush()
            with contextlib.suppress(FileExistsError):
                os.link(file.name, secret_key_file(home))
    except OSError as error:
        raise InvalidSetting(
            "FLOWLEDGER_HOME", f"must be a folder that you can write to: {error}"
        ) from error


def parse_secret_key(text: str) -> bytes | None:
    """Decode 32 bytes from base64url (padded or not) or hex; return None for anything else.

    >>> parse_secret_key("00" * 32) == bytes(32)
    True
    >>> parse_secret_key("A" * 43) == bytes(32)
    True
    >>> parse_secret_key("too short")
    """
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}=?", text):
        return None
    try:
        return base64.urlsafe_b64decode(text.rstrip("=") + "=")
    except binascii.Error:
        return None


class _Environment:
    """Reads and checks each variable as its type."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def whole(self, name: str, default: int, *, low: int, high: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise InvalidSetting(name, f"is {text!r}; give a whole number from {low} to {high}")
        return int(text)

    def flag(self, name: str) -> bool:
        text = self.text(name)
        if text not in (None, "true", "false"):
            raise InvalidSetting(name, f"is {text!r}; give true or false")
        return text == "true"

    def tenants(self, name: str) -> frozenset[str]:
        names = self._listed(name)
        for tenant in names - {EVERY_TENANT}:
            if not TENANT.fullmatch(tenant):
                raise InvalidSetting(
                    name,
                    f"is {tenant!r}; give the names of tenants, such as acme,other, or * for all",
                )
        return names

    def hosts(self, name: str) -> frozenset[str]:
        names = self._listed(name)
        for host in names:
            if not _HOST.fullmatch(host):
                raise InvalidSetting(
                    name, f"is {host!r}; give host names without ports, such as ledger.example.com"
                )
        return frozenset(host.lower().strip("[]") for host in names)

    def origins(self, name: str) -> frozenset[str]:
        names = self._listed(name)
        for origin in names - {"*"}:
            if not _ORIGIN.fullmatch(origin):
                raise InvalidSetting(
                    name,
                    f"is {origin!r}; give origins, such as https://console.example.com, or * for"
                    " the pages of all sites",
                )
        return names

    def _listed(self, name: str) -> frozenset[str]:
        return frozenset(filter(None, map(str.strip, (self.text(name) or "").split(","))))

    def one_of(self, name: str, options: object, default: str) -> str:
        text = self.text(name)
        allowed = get_args(options)
        if text is not None and text not in allowed:
            raise InvalidSetting(name, f"is {text!r}; give one of {', '.join(allowed)}")
        return text or default

    def database_url(self, name: str) -> str | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            parse_connection_url(text)
        except InvalidConnectionUrl as error:
            raise InvalidSetting(name, str(error)) from error
        return text

    def folder(self, name: str, hint: str, holds: Sequence[str] = ()) -> Path | None:
        text = self.text(name)
        if text is None:
            return None
        if not Path(text).is_dir():
            raise InvalidSetting(name, f"is {text!r}, which is not a folder; {hint}")
        for file in holds:
            if not (Path(text) / file).is_file():
                raise InvalidSetting(name, f"is {text!r}, which has no {file}; {hint}")
        return Path(text).absolute()

    def secret_key(self, name: str, file: Path | None = None) -> bytes | None:
        text, source = self.text(name), "its value"
        if text is None and file is not None:
            text, source = _read_private(name, file), str(file)
        if text is None:
            return None
        key = parse_secret_key(text)
        if key is None:
            raise InvalidSetting(
                name, f"({source}) is not 32 bytes as base64url or hex; {MAKE_SECRET_KEY}"
            )
        return key

    def open_access(self, name: str) -> OpenAccess | None:
        text = self.text(name)
        if text is None:
            return None
        tenant, _, role = text.partition(":")
        role = ALIASES.get(role, role)
        if not tenant or tenant == "*" or role not in RIGHTS:
            raise InvalidSetting(
                name, f"is {text!r}; give tenant:role, the role one of {', '.join(RIGHTS)}"
            )
        return OpenAccess(tenant, role)


def _read_private(name: str, file: Path) -> str | None:
    try:
        mode, text = file.stat().st_mode, file.read_text("ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(name, f"cannot be read from {file}: {error}") from error
    if mode & 0o077:
        raise InvalidSetting(name, f"in {file} is readable by other users; run: chmod 600 {file}")
    return text
