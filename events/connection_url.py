"""Checks the URL of a Postgres, and names what in it cannot work, with the cure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from events.errors import InvalidConnectionUrl

LONGEST_CONNECT_TIMEOUT_S: Final = 30

_FORM: Final = "postgresql://user:password@host:port/database"
_URL: Final = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_ENCODE: Final = (
    "python3 -c 'from getpass import getpass; from urllib.parse import quote;"
    ' print(quote(getpass(), safe=""))\''
)
_NOT_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[\s@/?#\[\]]")
_PORT: Final = re.compile(r"(?:[0-9]{1,5})?")

_DRIVER: Final = frozenset(
    {"host", "port", "dbname", "database", "user", "password", "passfile", "service", "options"}
    | {"sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslnegotiation"}
    | {"ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs"}
    | {"krbsrvname", "gsslib"}
)
"""What the driver understands itself."""

_ONE_OF: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "primary"),
}
"""The values that work; the ledger writes, so a server that is only read is none of them."""

_WITHOUT_EFFECT: Final = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "keepalives": ("1",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    "client_encoding": ("utf8", "UTF8", "utf-8", "UTF-8", "auto"),
}
"""Parameters of libpq that ask, with these values, for what happens in any case."""

_KEEPALIVE: Final = "remove it: Flowledger sets its own keepalive and ends silent connections"
_ADVICE: Final = {
    "channel_binding": (
        "the driver has no channel binding: remove it, and give sslmode=verify-full with"
        " sslrootcert, which guards against the same attack"
    ),
    "gssencmode": "the driver has no GSSAPI encryption: remove it, and give sslmode=verify-full",
    "keepalives": _KEEPALIVE,
    "keepalives_idle": _KEEPALIVE,
    "keepalives_interval": _KEEPALIVE,
    "keepalives_count": _KEEPALIVE,
    "tcp_user_timeout": _KEEPALIVE,
    "sslcompression": "remove it: compression under TLS is unsafe",
    "sslsni": "remove it: the name of the server is always sent",
    "client_encoding": "remove it: the ledger speaks UTF8",
    "ssl": "give sslmode=require or sslmode=verify-full",
    "pgbouncer": "remove it: PgBouncer works in session mode, and needs no parameter",
    "schema": "remove it: the ledger has schemas of its own",
    "search_path": "remove it: the ledger has schemas of its own",
}
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_SYSTEM_ROOTS: Final = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class ConnectionUrl:
    """A checked URL: what the driver gets, and what is applied here.

    ``connect_timeout_s`` and ``application_name`` are None where the URL has none.
    """

    dsn: str = field(repr=False)
    connect_timeout_s: int | None = None
    application_name: str | None = None


def parse_connection_url(url: str) -> ConnectionUrl:
    """Check a URL. No message shows any part of it but names and values of parameters.

    Raises:
        InvalidConnectionUrl: it says what is wrong and what to give instead.

    >>> parse_connection_url("postgresql://db/ledger?connect_timeout=7").connect_timeout_s
    7
    """
    if not _URL.match(url):
        raise InvalidConnectionUrl(f"is not a Postgres URL; give {_FORM}")
    _check_credentials(url)
    base, _, query = url.partition("?")
    parameters = _parameters(query)
    _check_parameters(parameters)
    driver = {name: value for name, value in parameters.items() if name in _DRIVER}
    return ConnectionUrl(
        f"{base}?{urlencode(driver, quote_via=quote)}" if driver else base,
        connect_timeout_s=_connect_timeout(parameters.get("connect_timeout")),
        application_name=parameters.get("application_name"),
    )


def _check_credentials(url: str) -> None:
    """Refuse a user or password with a character that ends this part of a URL too early."""
    rest = url.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    after = rest[len(authority) :]
    credentials, at, _ = authority.rpartition("@")
    path = after.partition("?")[0]
    if "#" in after or "@" in path or _NOT_ENCODED.search(credentials):
        raise InvalidConnectionUrl(_unencoded())
    if not at and not all(map(_is_host, authority.split(","))):
        # What looks like a host and a port is a user and the beginning of a password.
        raise InvalidConnectionUrl(_unencoded() if "@" in after else _bad_port())
    if at and not all(map(_is_host, authority.rpartition("@")[2].split(","))):
        raise InvalidConnectionUrl(_bad_port())


def _is_host(text: str) -> bool:
    host = re.fullmatch(r"\[[0-9A-Fa-f:.%]+\](?::(.*))?|[^:\[\]]*(?::(.*))?", text)
    return host is not None and _PORT.fullmatch(host[1] or host[2] or "") is not None


def _unencoded() -> str:
    return (
        "has a character in its user or password that must be percent-encoded: # @ / ? % [ ]"
        f" or a space (# is %23, @ is %40, / is %2F, % is %25); encode the password with: {_ENCODE}"
    )


def _bad_port() -> str:
    return f"has a port that is not a number; give {_FORM}"


def _parameters(query: str) -> dict[str, str]:
    for pair in filter(None, query.split("&")):
        if "=" not in pair:
            raise InvalidConnectionUrl(
                "has a part after ? that is not name=value; a ? in a password is %3F"
            )
    # As libpq, and unlike a form: a plus sign is no space.
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    return {name: value for name, value in pairs if value}


def _check_parameters(parameters: Mapping[str, str]) -> None:
    for name, value in parameters.items():
        if value in _WITHOUT_EFFECT.get(name, ()) or name == "fallback_application_name":
            continue
        if name not in _DRIVER and name not in ("connect_timeout", "application_name"):
            raise InvalidConnectionUrl(
                f"has the parameter {name}={_shown(name, value)}, which does not work: "
                + _ADVICE.get(name, _unknown(name))
            )
        if name in _ONE_OF and value not in _ONE_OF[name]:
            raise InvalidConnectionUrl(
                f"has {name}={value!r}; give one of {', '.join(_ONE_OF[name])}"
            )
    _check_certificates(parameters)


def _shown(name: str, value: str) -> str:
    return repr(value) if name in _ADVICE else "..."


def _unknown(name: str) -> str:
    return (
        "remove it; to give the server a setting,"
        f" use options=-c%20{quote(name)}%3DVALUE; known are {', '.join(sorted(_KNOWN))}"
    )


_KNOWN: Final = _DRIVER | _WITHOUT_EFFECT.keys() | {"connect_timeout", "application_name"}


def _check_certificates(parameters: Mapping[str, str]) -> None:
    for name in _FILES:
        file = parameters.get(name)
        if file == "system":
            raise InvalidConnectionUrl(
                f"has {name}=system; give the file of the system's certificates: {_SYSTEM_ROOTS}"
            )
        if file is not None and not Path(file).is_file():
            raise InvalidConnectionUrl(f"has {name}={file!r}, which is not a file")
    verifies = parameters.get("sslmode", "").startswith("verify-")
    if verifies and not (parameters.get("sslrootcert") or _default_roots()):
        raise InvalidConnectionUrl(
            f"has sslmode={parameters['sslmode']} and no certificates to verify with; add"
            f" sslrootcert=FILE, such as your provider's or {_SYSTEM_ROOTS}"
        )


def _default_roots() -> bool:
    given = os.environ.get("PGSSLROOTCERT")
    return bool(given) or (Path("~/.postgresql/root.crt").expanduser()).is_file()


def _connect_timeout(text: str | None) -> int | None:
    if text is None:
        return None
    text = unquote(text)
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= LONGEST_CONNECT_TIMEOUT_S:
        raise InvalidConnectionUrl(
            f"has connect_timeout={text!r}; give a whole number of seconds from 1 to"
            f" {LONGEST_CONNECT_TIMEOUT_S}"
        )
    return int(text)
