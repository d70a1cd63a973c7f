"""The smoke test tells a regression from a neighbour."""

import pytest

from tests.benchmarks.smoke import FEWEST, MOST, judge


def rates(*given: float):
    """A side whose rounds come to these, the last one again and again."""
    waiting = list(given)

    async def per_s() -> float:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return per_s


async def test_below_half_of_the_goal_is_not_good_whatever_the_number_of_rounds():
    verdict = await judge("append", 0.5, rates(24), rates(100))
    assert not verdict.good
    assert len(verdict.mine) == len(verdict.theirs) == MOST
    assert "BELOW HALF OF THE GOAL" in str(verdict)


async def test_half_of_the_goal_is_good():
    verdict = await judge("append", 0.5, rates(25), rates(100))
    assert verdict.good
    assert len(verdict.mine) == FEWEST


async def test_a_neighbour_in_the_first_rounds_is_waited_out():
    verdict = await judge("append", 0.5, rates(1, 2, 3, 4, 50), rates(100))
    assert verdict.good
    assert verdict.ratio == pytest.approx(0.5)


async def test_a_limit_that_a_neighbour_slows_hides_no_regression():
    assert not (await judge("append", 0.5, rates(24), rates(100, 10))).good
