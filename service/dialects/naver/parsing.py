"""Reads the parameters of NAVER's lists, and the body that starts a job.

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

LIMIT: Final = 1000
MOST_ROWS: Final = 10_000
MAX_INTEGER: Final = 2**63 - 1
_DIGITS: Final = re.compile(r"[0-9]{1,1000}")


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked: ``page`` from 0; ``limit`` 0 to 10,000, 0 only counts.

    ``part`` is what the name has to contain, capitals or not; empty does not filter.
    """

    page: int
    limit: int
    part: str

    @property
    def offset(self) -> int:
        """How many rows stand before the page."""
        return self.page * self.limit

    def keeps(self, name: str) -> bool:
        """Tell whether a name contains the part that is asked for."""
        return self.part.casefold() in name.casefold()


def paging(query: Mapping[str, str], part: str = "filter") -> Paging:
    """Read ``page``, ``limit`` and, under the name ``part``, what names have to contain.

    Whatever else a client sends is ignored.

    Raises:
        BadRequest: ``page`` or ``limit`` is no whole number from 0 on, or ``page`` beyond 64 bits.

    """
    page = _whole(query, "page", 0)
    if page > MAX_INTEGER:
        raise BadRequest("page is out of range", field="page")
    return Paging(page, min(_whole(query, "limit", LIMIT), MOST_ROWS), query.get(part, ""))


def job_status(query: Mapping[str, str]) -> str | None:
    """Read which jobs are asked for by ``status``; None, also for an empty one: all.

    Raises:
        BadRequest: it is none of the documented words.

    """
    word = query.get("status")
    if not word:
        return None
    if word not in JOB_WORDS:
        raise BadRequest(f"status must be one of {', '.join(sorted(JOB_WORDS))}", field="status")
    return word


async def parameters(request: web.Request) -> dict[str, Any]:
    """Read the parameters of a job that is started: the payload. An empty body has none.

    ``jobCondition`` must be an object where it is given; what it says is the flow's own to decide.

    Raises:
        BadRequest: the body is no JSON object, or one of the two is none.

    """
    raw = await read_body(request)
    body = codec.parse(raw) if raw.strip() else {}
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    _object(body, "jobCondition")
    return _object(body, "parameters")


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value in (None, []):  # as an execution shows that there are none
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
