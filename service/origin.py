"""Where a command comes from, as the metadata of its events says."""

from __future__ import annotations

from typing import NamedTuple, cast

from events import bodies


class Origin(NamedTuple):
    """Who sends a command and through which API; stored with every event that it leads to.

    ``actor`` is the name of the credential (or ``worker:<id>``, ``ledger``), ``key_id`` its id.
    ``source`` is a dialect's name, ``api``, ``cli``, ``executor`` or ``schedule``.
    """

    actor: str
    source: str
    key_id: str = ""
    remote: str = ""
    request_id: str = ""


def metadata_of(origin: Origin, *, worker: str = "", epoch: int = 0) -> bodies.Metadata:
    """Build the metadata of events from a command's origin, without empty members."""
    members: bodies.Metadata = {
        "source": origin.source,
        "key_id": origin.key_id,
        "remote": origin.remote,
        "request_id": origin.request_id,
        "worker": worker,
        "epoch": epoch,
    }
    return cast("bodies.Metadata", {name: value for name, value in members.items() if value})
