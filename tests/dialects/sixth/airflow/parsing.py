"""Parses the requests of Airflow's clients: paging, and the id of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service.errors import BadRequest, UnknownRun
from service.http.as_of import AS_OF
from service.http.messages import parse_integer

LIMIT: Final = 100
"""The default and the maximum of rows on a page (``maximum_page_limit``)."""


@dataclass(frozen=True, slots=True)
class Paging:
    """The requested page."""

    offset: int
    limit: int


def read_paging(query: Mapping[str, str]) -> Paging:
    """Read ``limit`` (0 is the default) and ``offset``.

    Filters are not served: a request with one is refused, not answered unfiltered.

    Raises:
        BadRequest: one is not a whole number from 0, or there is another parameter.

    Source: Airflow's stable REST API reference, "Get DAG runs".
    """
    if unknown := query.keys() - {"limit", "offset", AS_OF}:
        raise BadRequest(f"Extra query parameter(s) {min(unknown)} not in spec")
    offset = parse_integer(query.get("offset", "0"), "offset", low=0)
    limit = parse_integer(query.get("limit", "0"), "limit", low=0)
    return Paging(offset, min(limit or LIMIT, LIMIT))


def read_run_id(text: str) -> str:
    """Read the id of a run.

    Raises:
        UnknownRun: it is not a UUID.

    """
    try:
        return str(UUID(text))
    except ValueError:
        raise UnknownRun(text) from None
