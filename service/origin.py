"""Where a command comes from: kept in the metadata of every event that it leads to."""

from __future__ import annotations

from typing import NamedTuple, cast

from events import bodies


class Origin(NamedTuple):
    """Who asks and through what: kept with every event that the command leads to.

    ``actor`` is the name of the credential (or ``worker:<id>``, ``ledger``); ``source`` the front
    door (a dialect's name, ``api``, ``cli``, ``executor``); ``key_id`` the credential.
    """

    actor: str
    source: str
    key_id: str = ""
    remote: str = ""
    request_id: str = ""


def metadata_of(origin: Origin, *, worker: str = "", epoch: int = 0) -> bodies.Metadata:
    """Write the metadata of events that a command leads to, without empty members."""
    named: bodies.Metadata = {
        "source": origin.source,
        "key_id": origin.key_id,
        "remote": origin.remote,
        "request_id": origin.request_id,
        "worker": worker,
        "epoch": epoch,
    }
    return cast("bodies.Metadata", {name: value for name, value in named.items() if value})
