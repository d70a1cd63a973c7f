"""Parses the requests of NAVER's clients: paging and filters, the parameters of a start.

Source: api.ncloud-docs.com, analytics-dataflow-getworkflowexecutions, -getjobs, -executejob.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from events import codec
from service.dialects.naver.statuses import JOB_WORDS
from service.errors import BadRequest
from service.http.messages import read_body

DEFAULT_LIMIT: Final = 1000
MAX_ROWS: Final = 10_000
MAX_INTEGER: Final = 2**63 - 1
_DIGITS: Final = re.compile(r"[0-9]{1,1000}")


@dataclass(frozen=True, slots=True)
class Paging:
    """The requested page: ``page`` from 0, ``limit`` 0 to 10,000; 0 only counts.

    ``part`` is a part of the name to filter by, case-insensitive; empty does not filter.
    """

    page: int
    limit: int
    part: str

    @property
    def offset(self) -> int:
        """The number of rows before the page."""
        return self.page * self.limit

    def matches(self, name: str) -> bool:
        """Tell whether a name contains the part."""
        return self.part.casefold() in name.casefold()


def read_paging(query: Mapping[str, str], part: str = "filter") -> Paging:
    """Read ``page``, ``limit`` and the filter by name, whose parameter is ``part``.

    Other parameters are ignored.

    Raises:
        BadRequest: ``page`` or ``limit`` is not a whole number from 0, or ``page`` exceeds 64 bits.

    """
    page = _whole(query, "page", 0)
    if page > MAX_INTEGER:
        raise BadRequest("page is out of range", field="page")
    return Paging(page, min(_whole(query, "limit", DEFAULT_LIMIT), MAX_ROWS), query.get(part, ""))


def read_job_status(query: Mapping[str, str]) -> str | None:
    """Read the filter by ``status``; None if absent or empty.

    Raises:
        BadRequest: it is not a documented word.

    """
    word = query.get("status")
    if not word:
        return None
    if word not in JOB_WORDS:
        raise BadRequest(f"status must be one of {', '.join(sorted(JOB_WORDS))}", field="status")
    return word


async def read_parameters(request: web.Request) -> dict[str, Any]:
    """Read the parameters of a start, which become the payload; an empty body has none.

    ``jobCondition`` must be an object if present; its content is ignored.

    Raises:
        BadRequest: the body or one of the two members is not a JSON object.

    """
    raw = await read_body(request)
    body = codec.parse(raw) if raw.strip() else {}
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    _object(body, "jobCondition")
    return _object(body, "parameters")


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value in (None, []):  # an execution without parameters shows an empty list
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object", field=name)
    return value


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if _DIGITS.fullmatch(text) is None:
        raise BadRequest(f"{name} must be a whole number from 0 on", field=name)
    return int(text)
