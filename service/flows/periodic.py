"""When a flow starts by itself, as its file says it: read and checked, kept as written."""

from __future__ import annotations

import math
import re
from typing import Final

from service.flows.errors import At, Findings

_KINDS: Final = ("interval", "crontab", "schedule")
_MINUTE, _HOUR, _DAY, _MONTH = range(60), range(24), range(1, 32), range(1, 13)
# 7 is Sunday too; Celery itself ends at 6.
_WEEKDAY: Final = range(8)
_FIELDS: Final = {
    "crontab": (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY),
    # The old key has the day of the week third, a slip that Director kept for those who rely on it.
    "schedule": (_MINUTE, _HOUR, _WEEKDAY, _DAY, _MONTH),
}
_PART: Final = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", re.ASCII)
_NAMES: Final = re.compile(r"sun|mon|tue|wed|thu|fri|sat", re.IGNORECASE)
_MONTHS: Final = re.compile(r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", re.IGNORECASE)


def check_periodic(value: object, at: At, findings: Findings) -> None:
    """Check `periodic`: exactly one of interval, crontab and schedule, and perhaps a payload.

    ``interval`` is seconds; ``crontab`` is minute, hour, day of month, month, day of week; the old
    ``schedule`` is seconds or a crontab with the day of the week third.

    Source: Celery Director, docs/guides/build-workflows.md and build_celery_schedule.
    """
    kinds = [key for key in value if key != "payload"] if isinstance(value, dict) else []
    if not isinstance(value, dict) or len(kinds) != 1 or kinds[0] not in _KINDS:
        findings.refuse(at, f"periodic must have exactly one of {', '.join(_KINDS)}")
        return
    (kind,) = kinds
    if not _is_schedule(kind, value[kind]):
        findings.refuse((*at, kind), f"periodic: {value[kind]!r} is no {kind}")
    if not isinstance(value.get("payload", {}), dict):
        findings.refuse((*at, "payload"), "periodic: payload must be a mapping")


def _is_schedule(kind: str, value: object) -> bool:
    if kind != "crontab" and _is_seconds(value):
        return True
    if kind == "interval" or not isinstance(value, str):
        return False
    fields = value.split()
    ranges = _FIELDS[kind]
    return len(fields) == len(ranges) and all(map(_is_field, fields, ranges))


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        seconds = float(value)
    except ValueError:
        return False
    return seconds > 0 and math.isfinite(seconds)


def _is_field(text: str, allowed: range) -> bool:
    return all(_is_part(part, allowed) for part in text.split(","))


def _is_part(text: str, allowed: range) -> bool:
    match = _PART.fullmatch(text)
    return match is not None and all(
        _is_value(value, allowed) for value in match.group(1, 2) if value is not None
    )


def _is_value(text: str, allowed: range) -> bool:
    if text.isdecimal():
        return int(text) in allowed
    names = {_WEEKDAY: _NAMES, _MONTH: _MONTHS}.get(allowed)
    return names is not None and names.match(text) is not None
