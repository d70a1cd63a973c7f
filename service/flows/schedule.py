"""Schedules of flows: pure functions from a moment to due times, all in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Protocol

from cronsim import CronSim, CronSimError

KINDS: Final = ("interval", "crontab", "schedule")
"""The keys of `periodic`; a flow has one of them."""

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 3660 * 86400.0
"""Bounds of an interval; the upper one is about ten years."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MINUTE, _HOUR, _DAY, _MONTH = range(60), range(24), range(1, 32), range(1, 13)
# 7 is Sunday too, as in cron; Celery accepts 0 to 6.
_WEEKDAY: Final = range(8)
_RANGES: Final = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
_NAMES: Final = {
    _WEEKDAY: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
    _MONTH: (
        *("jan", "feb", "mar", "apr", "may", "jun"),
        *("jul", "aug", "sep", "oct", "nov", "dec"),
    ),
}
_FIELDS: Final = {
    "crontab": "minute hour day month weekday",
    "schedule": "minute hour weekday day month",
}
_PART: Final = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d{0,8}))?", re.ASCII)


class Schedule(Protocol):
    """The due times of a flow."""

    def after(self, moment: datetime) -> datetime:
        """Get the first due time after a moment."""
        ...

    def until(self, moment: datetime) -> datetime:
        """Get the last due time up to a moment, inclusive."""
        ...

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Iterate over the due times between two moments, both exclusive."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Due at whole multiples of ``every`` since 1970, so that all processes agree.

    An interval of an hour is due on the hour, one of a day at midnight.
    """

    every: timedelta

    def after(self, moment: datetime) -> datetime:
        """Get the first due time after a moment."""
        return self.until(moment) + self.every

    def until(self, moment: datetime) -> datetime:
        """Get the last due time up to a moment, inclusive."""
        return _EPOCH + (moment - _EPOCH) // self.every * self.every

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Iterate over the due times between two moments, both exclusive."""
        due = self.after(first)
        while due < last:
            yield due
            due += self.every


@dataclass(frozen=True, slots=True)
class Crontab:
    """Due in each minute that matches all five fields, both kinds of day included.

    ``fields`` are minute, hour, day of month, month, day of week, in the syntax of `cronsim`.

    Source: Celery's `crontab`. In cron it is enough that one of the two days matches.
    """

    fields: str

    def after(self, moment: datetime) -> datetime:
        """Get the first due time after a moment."""
        return next(self._walk(moment))

    def until(self, moment: datetime) -> datetime:
        """Get the last due time up to a moment, inclusive."""
        # In reverse `cronsim` starts before the given second.
        return next(self._walk(moment.replace(microsecond=0) + _SECOND, reverse=True))

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Iterate over the due times between two moments, both exclusive."""
        for due in self._walk(first):
            if due >= last:
                return
            yield due

    def _walk(self, moment: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        walk = CronSim(self.fields, moment, reverse=reverse)
        walk.day_and = True
        return walk


def schedule_of(periodic: object) -> Schedule:
    """Parse the schedule of a flow's `periodic`.

    ``interval`` is seconds; ``crontab`` is minute, hour, day of month, month, day of week; the old
    ``schedule`` is seconds, or a crontab with the day of the week third.

    Raises:
        ValueError: it has none or several, or an invalid one; the message says which.

    Source: Celery Director, docs/guides/build-workflows.md and build_celery_schedule.
    """
    kind, value = kind_of(periodic)
    if type(value) not in (int, float, str):
        raise ValueError(f"{kind} must be a number or a string, not {value!r}")
    return _parse(kind, value)


def kind_of(periodic: object) -> tuple[str, Any]:
    """Get the one key of `KINDS` in a `periodic`, and its value.

    Raises:
        ValueError: it has none, several, or another key.
    """
    options = periodic if isinstance(periodic, Mapping) else {}
    kinds = [key for key in options if key != "payload"]
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise ValueError(f"must have exactly one of {', '.join(KINDS)}")
    return kinds[0], options[kinds[0]]


def schedule_in(definition: Mapping[str, Any]) -> Schedule | None:
    """Parse a registered flow's schedule; None without one, or for an invalid one.

    Earlier releases registered schedules without checking them.

    >>> schedule_in({"tasks": ["A"], "periodic": {"interval": 60}})
    Interval(every=datetime.timedelta(seconds=60))
    """
    try:
        return schedule_of(definition.get("periodic"))
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _parse(kind: str, value: float | str) -> Schedule:
    seconds = None if kind == "crontab" else _seconds(value)
    if seconds is not None:
        if not SHORTEST_S <= seconds <= LONGEST_S:
            raise ValueError(
                f"{value!r} is out of range: give {SHORTEST_S:.0f} to {LONGEST_S:.0f} seconds"
            )
        return Interval(timedelta(seconds=seconds))
    if kind == "interval":
        raise ValueError(f"{value!r} is not a number of seconds")
    fields = str(value).split()
    if len(fields) != len(_RANGES):
        raise ValueError(f"{value!r} has {len(fields)} fields; 5 are needed: {_FIELDS[kind]}")
    if kind == "schedule":
        # The old key has the day of the week third: an error in Director that it kept for
        # compatibility.
        minute, hour, weekday, day, month = fields
        fields = [minute, hour, day, month, weekday]
    try:
        crontab = Crontab(" ".join(map(_field, fields, _RANGES)))
    except ValueError as error:
        raise ValueError(f"{value!r} is not a valid crontab: {error}") from error
    if not _has_due_time(crontab):
        raise ValueError(f"{value!r} is never due")
    return crontab


def _seconds(value: float | str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _has_due_time(crontab: Crontab) -> bool:
    try:
        crontab.after(_EPOCH)
    except (CronSimError, StopIteration):  # no such day in 50 years
        return False
    return True


def _field(text: str, allowed: range) -> str:
    values = {value for part in text.split(",") for value in _part(part, allowed)}
    if values >= set(_full_range(allowed)):
        return "*"
    return ",".join(map(str, sorted(values)))


def _part(text: str, allowed: range) -> Iterable[int]:
    match = _PART.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read {text!r}")
    first, last, step = match.groups()
    values = _full_range(allowed)
    if first is not None:
        start = _value(first, allowed)
        # As in cron, a single value with a step runs to the end of the range.
        stop = _value(last, allowed) if last else start if step is None else allowed[-1]
        values = _range(start, stop, allowed)
    return (value % 7 if allowed is _WEEKDAY else value for value in values[:: int(step or 1)])


def _full_range(allowed: range) -> Sequence[int]:
    return range(7) if allowed is _WEEKDAY else allowed


def _range(start: int, stop: int, allowed: range) -> Sequence[int]:
    if start <= stop:
        return range(start, stop + 1)
    # As in Celery, a range may wrap around: fri-mon, 22-4.
    full = _full_range(allowed)
    return [*range(start, full[-1] + 1), *range(full[0], stop + 1)]


def _value(text: str, allowed: range) -> int:
    if text.isdecimal():
        value = int(text)
        if value not in allowed:
            raise ValueError(f"{text} is not in {allowed[0]}-{allowed[-1]}")
        return value
    names = _NAMES.get(allowed, ())
    # The first three letters count, so Monday is accepted too.
    if text[:3].lower() not in names:
        raise ValueError(f"cannot read {text!r}")
    return names.index(text[:3].lower()) + (allowed[0] if allowed is _MONTH else 0)
