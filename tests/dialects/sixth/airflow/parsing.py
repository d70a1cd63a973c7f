"""Reads what Airflow's clients send: the page, and the id of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service.errors import BadRequest, UnknownRun
from service.http.as_of import AS_OF
from service.http.messages import parse_integer

LIMIT: Final = 100
"""The default, and the most that a page shows (``maximum_page_limit``)."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked."""

    offset: int
    limit: int


def paging(query: Mapping[str, str]) -> Paging:
    """Read ``limit`` (0 is the default) and ``offset``.

    Filters are not served: who sends one is told, not shown what does not fit it.

    Raises:
        BadRequest: one is no whole number from 0 on, or there is another parameter.

    Source: Airflow's stable REST API reference, "Get DAG runs".
    """
    if unknown := query.keys() - {"limit", "offset", AS_OF}:
        raise BadRequest(f"Extra query parameter(s) {min(unknown)} not in spec")
    offset = parse_integer(query.get("offset", "0"), "offset", low=0)
    limit = parse_integer(query.get("limit", "0"), "limit", low=0)
    return Paging(offset, min(limit or LIMIT, LIMIT))


def run_id(text: str) -> str:
    """Read the id of a run.

    Raises:
        UnknownRun: no run can have it.

    """
    try:
        return str(UUID(text))
    except ValueError:
        raise UnknownRun(text) from None
