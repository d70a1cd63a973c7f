"""Checks that a new session of Postgres is what the service assumes, and says how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from events.errors import SessionRefused

_POOLER: Final = (
    "a connection pooler has ignored what the service asked for: let it pool whole sessions and"
    " pass startup parameters on, or connect to Postgres itself"
)
_MUST_BE: Final = {
    "standard_conforming_strings": (
        "on",
        "run `alter database DATABASE set standard_conforming_strings = on`, and so for the role",
    ),
    "server_encoding": ("UTF8", "create the database with ENCODING 'UTF8'"),
    "client_encoding": ("UTF8", _POOLER),
    "TimeZone": ("UTC", _POOLER),
    "default_transaction_isolation": ("read committed", _POOLER),
    "transaction_read_only": (
        "off",
        "set default_transaction_read_only = off for the server, the database and the role",
    ),
}
"""The value of each setting, and the cure where it is another one."""


def check_session(session: Mapping[str, Any], *, role: str | None, search_path: str | None) -> None:
    """Check a row of `session.sql` against what was asked for.

    Raises:
        SessionRefused: it names the first thing that is wrong, with its cure.
    """
    if session["is_standby"]:
        raise SessionRefused(
            "the server is a standby, which takes no writes: name the primary, or promote this one"
        )
    for name, (wanted, cure) in _MUST_BE.items():
        _check(name, session[name], wanted, cure)
    if role is not None:
        _check("the role", session["role"], role, _POOLER)
    if search_path is not None:
        _check("search_path", session["search_path"], search_path, _POOLER)


def _check(name: str, found: str, wanted: str, cure: str) -> None:
    if found != wanted:
        raise SessionRefused(f"{name} is {found!r}, not {wanted!r}: {cure}")
