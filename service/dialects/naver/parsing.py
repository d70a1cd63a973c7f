"""Reads the parameters of NAVER's lists.

Source: api.ncloud-docs.com, analytics-dataflow-getworkflowexecutions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.errors import BadRequest

LIMIT: Final = 1000
MOST_ROWS: Final = 10_000
MAX_INTEGER: Final = 2**63 - 1
_DIGITS: Final = re.compile(r"[0-9]{1,1000}")


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked: ``page`` from 0; ``limit`` 0 to 10,000, 0 only counts."""

    page: int
    limit: int
    filter: str

    @property
    def offset(self) -> int:
        """How many rows stand before the page."""
        return self.page * self.limit

    def keeps(self, workflow_name: str) -> bool:
        """Tell whether a workflow's name contains the filter, capitals or not."""
        return self.filter.casefold() in workflow_name.casefold()


def paging(query: Mapping[str, str]) -> Paging:
    """Read ``page``, ``limit`` and ``filter``; whatever else a client sends is ignored.

    Raises:
        BadRequest: ``page`` or ``limit`` is no whole number from 0 on, or ``page`` beyond 64 bits.

    """
    page = _whole(query, "page", 0)
    if page > MAX_INTEGER:
        raise BadRequest("page is out of range", field="page")
    return Paging(page, min(_whole(query, "limit", LIMIT), MOST_ROWS), query.get("filter", ""))


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if _DIGITS.fullmatch(text) is None:
        raise BadRequest(f"{name} must be a whole number from 0 on", field=name)
    return int(text)
