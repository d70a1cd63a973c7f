"""Due times: each schedule against a check of every minute."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from service.flows.schedule import Interval, schedule_in, schedule_of

MINUTE = timedelta(minutes=1)
NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
moments = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - the zone is given beside it
    datetime(2080, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@st.composite
def fields(draw, low: int, high: int):
    """A field in plain words: its text, and the values it stands for."""
    values, texts = set(), []
    for _ in range(draw(st.integers(1, 3))):
        step = draw(st.integers(1, 7))
        first, last = draw(st.integers(low, high)), draw(st.integers(low, high))
        if draw(st.booleans()):
            texts.append(f"*/{step}")
            values.update(range(low, high + 1, step))
        elif first > last:
            texts.append(f"{first}-{last}/{step}")
            values.update([*range(first, high + 1), *range(low, last + 1)][::step])
        else:
            texts.append(f"{first}-{last}/{step}")
            values.update(range(first, last + 1, step))
    return ",".join(texts), values


crontabs = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 6))


def is_due(moment: datetime, allowed) -> bool:
    fields = (moment.minute, moment.hour, moment.day, moment.month, moment.isoweekday() % 7)
    return all(value in values for value, values in zip(fields, allowed, strict=True))


@given(crontabs, moments)
def test_crontab_is_due_exactly_when_all_five_fields_match(crontab, moment):
    text, allowed = " ".join(field for field, _ in crontab), [values for _, values in crontab]
    try:
        schedule = schedule_of({"crontab": text})
    except ValueError:
        assert max(allowed[2]) > 28 or not all(allowed)
        return
    due, last = schedule.after(moment), schedule.until(moment)
    assert last <= moment < due
    assert is_due(due, allowed)
    assert is_due(last, allowed)
    minute = max(last, moment.replace(second=0, microsecond=0) - timedelta(days=2)) + MINUTE
    while minute < min(due, moment + timedelta(days=2)):
        assert not is_due(minute, allowed)
        minute += MINUTE
    assert schedule.until(due) == due
    assert schedule.after(due - timedelta(microseconds=1)) == due


@given(crontabs, moments)
def test_crontab_with_one_kind_of_day_agrees_with_cron(crontab, moment):
    text = " ".join(f"{values_of(field)}" for field in crontab[:4]) + " *"
    try:
        schedule = schedule_of({"crontab": text})
    except ValueError:
        return
    theirs = list(islice(CronSim(text, moment), 20))
    assert list(islice(schedule.between(moment, at("9000-01-01")), 20)) == theirs


def values_of(field) -> str:
    return ",".join(map(str, sorted(field[1])))


@given(st.floats(1, 86400 * 400), moments)
def test_interval_is_due_at_whole_multiples_since_1970(seconds, moment):
    schedule = schedule_of({"interval": seconds})
    assert isinstance(schedule, Interval)
    due = schedule.after(moment)
    assert schedule.until(moment) <= moment < due == schedule.until(moment) + schedule.every
    assert (due - datetime(1970, 1, 1, tzinfo=UTC)) % schedule.every == timedelta(0)
    assert schedule.until(due) == due
    assert list(islice(schedule.between(moment, due + schedule.every), 9)) == [due]


@pytest.mark.parametrize(
    ("periodic", "due"),
    [
        ({"interval": 3600}, "2026-01-01T01:00"),
        ({"interval": "1.5"}, "2026-01-01T00:30:01.500000"),
        ({"crontab": "0 */3 * * *"}, "2026-01-01T03:00"),
        ({"schedule": "0 12 1 31 12"}, "2029-12-31T12:00"),
        ({"crontab": "0 12 31 12 1"}, "2029-12-31T12:00"),
        # Friday the 13th: both days, as Celery does and cron does not.
        ({"crontab": "0 0 13 * 5"}, "2026-02-13T00:00"),
        ({"crontab": "0 0 * * 7"}, "2026-01-04T00:00"),
        ({"crontab": "0 0 * * fri-mon"}, "2026-01-02T00:00"),
        ({"crontab": "0 22-1 * * *"}, "2026-01-01T01:00"),
        ({"crontab": "0 0 29 feb *"}, "2028-02-29T00:00"),
        ({"crontab": "20/20 * * * *"}, "2026-01-01T00:40"),
    ],
)
def test_next_due_time_of_examples(periodic, due):
    moment = at("2026-01-01T00:30")
    assert schedule_of(periodic).after(moment) == at(due)


@pytest.mark.parametrize("crontab", ["0 0 30 2 *", "0 0 31 4,6 *", "0 0 30 2 1"])
def test_crontab_that_is_never_due_is_refused(crontab):
    with pytest.raises(ValueError, match="is never due"):
        schedule_of({"crontab": crontab})


@pytest.mark.parametrize("interval", [0.5, 0, -1, 10**10, 1e300, "1e400", "nan", True, None])
def test_interval_outside_a_second_to_ten_years_is_refused(interval):
    with pytest.raises(
        ValueError, match=r"is out of range: give 1 to|interval must be a number or a string"
    ):
        schedule_of({"interval": interval})


def test_invalid_schedule_registered_by_an_older_release_is_ignored():
    assert schedule_in({"tasks": []}) is None
    assert schedule_in({"periodic": 5}) is None
    assert schedule_in({"periodic": {"interval": 0.001}}) is None
    assert schedule_in({"periodic": {"interval": []}}) is None
