"""A flow's schedule as a NAVER trigger, in Korean time, if it fits one of its four intervals.

Source: api.ncloud-docs.com, analytics-dataflow-gettriggers and -createtrigger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from projections.documents.flow import Flow

KOREA_H: Final = 9
"""Hours that Korean time is ahead of UTC, in which schedules are."""

_DAYS: Final = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_ORDER: Final = (*_DAYS[1:], _DAYS[0])
_SHORT: Final = {day[:3].lower(): number for number, day in enumerate(_DAYS)}
_SAFE_DAYS: Final = 28
"""Days that every month has; a later day in UTC may be in the next month in Korea."""


def kind(flow: Flow) -> str:
    """Return the type of a flow's trigger: ``SCHEDULED`` or ``NONE``."""
    return "SCHEDULED" if flow.definition.get("periodic") else "NONE"


def rule_type(flow: Flow) -> str:
    """Return the type of a trigger's rule: ``RECURRING`` or ``NONE``."""
    return "RECURRING" if flow.definition.get("periodic") else "NONE"


def rule(flow: Flow) -> dict[str, Any]:
    """Render the rule of a flow's trigger.

    It has ``interval`` and ``time`` if the schedule is hourly, daily, weekly or monthly at one
    minute, as NAVER's rules are. Of any other schedule it says only that it recurs.
    """
    return {"type": rule_type(flow), **_interval(flow.definition.get("periodic") or {})}


def _interval(periodic: Mapping[str, Any]) -> dict[str, Any]:
    fields = _fields(periodic)
    if fields is None:
        return {}
    minute, hour, day, month, weekday = fields
    if not minute.isdecimal() or month != "*" or (hour != "*" and not hour.isdecimal()):
        return {}
    if hour == "*":
        hourly = {"interval": "HOUR", "time": f"{int(minute):02}"}
        return hourly if (day, weekday) == ("*", "*") else {}
    later, in_korea = divmod(int(hour) + KOREA_H, 24)
    days = _dates(day, weekday, later)
    return {} if days is None else days | {"time": f"{in_korea:02}:{int(minute):02}"}


def _fields(periodic: Mapping[str, Any]) -> list[str] | None:
    """Return minute, hour, day of the month, month and weekday; None if it is not a crontab."""
    if isinstance(text := periodic.get("crontab"), str):
        return text.split()
    fields = text.split() if isinstance(text := periodic.get("schedule"), str) else []
    if len(fields) == len(("minute", "hour", "weekday", "day", "month")):
        minute, hour, weekday, day, month = fields
        return [minute, hour, day, month, weekday]
    return None


def _dates(day: str, weekday: str, later: int) -> dict[str, Any] | None:
    """Render the days, which in Korea are ``later`` by 0 or 1."""
    if (day, weekday) == ("*", "*"):
        return {"interval": "DAY"}
    if day == "*":
        if "*" in weekday or "/" in weekday:
            return None
        names = {_DAYS[(number + later) % 7] for number in _weekdays(weekday)}
        return {"interval": "WEEK", "dayOfWeek": sorted(names, key=_ORDER.index)}
    if weekday == "*" and day.isdecimal() and int(day) + later <= _SAFE_DAYS:
        return {"interval": "MONTH", "dateOfMonth": str(int(day) + later)}
    return None


def _weekdays(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = _weekday(first), _weekday(last or first)
        yield from range(begin, end + 1 if begin <= end else end + 8)  # fri-mon wraps around


def _weekday(text: str) -> int:
    return int(text) if text.isdecimal() else _SHORT[text[:3].lower()]
