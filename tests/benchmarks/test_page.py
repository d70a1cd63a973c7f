"""The page tells what was measured, which goals were met, and what was not measured."""

from dataclasses import replace

from tests.benchmarks.figures import Figure, Piece, Results, read
from tests.benchmarks.goals import GOALS
from tests.benchmarks.page import PAGE, PLOTS, rendered


def results(*pieces: Piece) -> Results:
    return Results({}, {piece.name: piece for piece in pieces})


def start(ours: float, bare: float, **more) -> Piece:
    figures = (Figure("flowledger", ours, 1.0, 2.0, **more), Figure("bare aiohttp", bare, 1.0, 2.0))
    case = {"connections": 256, "filled": 0}
    return Piece("http start", case, "bench http start", "2026-03-01T12:00:00Z", "abc", figures)


def line(page: str, title: str) -> str:
    return next(each for each in page.splitlines() if each.startswith(f"| {title} |"))


TITLE = "start, 256 connections, of bare aiohttp"


def test_a_goal_that_is_reached_is_met_and_names_its_command():
    page = rendered(results(start(25, 100)))
    assert line(page, TITLE) == (
        f"| {TITLE} | at least 0.25 times | 0.25 times | met | `bench http start` |"
    )


def test_a_goal_that_is_not_reached_is_missed():
    assert "| **missed** |" in line(rendered(results(start(24, 100))), TITLE)


def test_a_goal_at_most_is_missed_beyond_it():
    (goal,) = (each for each in GOALS if each.title == "a credential check")
    assert [goal.met(found) for found in (9.9, 10, 10.1)] == [True, True, False]


def test_what_was_not_measured_is_said_to_be_so():
    page = rendered(results())
    assert all("not measured" in line(page, goal.title) for goal in GOALS)


def test_a_peer_that_was_not_there_makes_no_ratio():
    title = "start, 256 connections, of Prefect"
    assert "not measured" in line(rendered(results(start(25, 100))), title)


def test_errors_stand_beside_the_rate_that_they_spoil():
    assert "25/s (1.0, 2.0); **3 errors**" in rendered(results(start(25, 100, errors=3)))


def test_the_page_says_that_durability_is_whole():
    page = " ".join(rendered(results()).split())
    assert "`fsync`, `full_page_writes` and `synchronous_commit` are on" in page
    assert "authenticated and validated" in page
    assert "leaf hash" in page


def test_lost_events_and_wrong_rows_are_columns():
    tail = Piece("tail", {}, "t", "", "", (Figure("emmett", 9, 1.0, 2.0, more={"lost": 1577}),))
    wrong = {"events": 10, "elapsed_s": 2.0, "rows": 5, "wrong": 3}
    rebuild = Piece("rebuild", {}, "r", "", "", (Figure("emmett", 5, more=wrong),))
    page = rendered(results(tail, rebuild))
    assert line(page, "emmett").endswith("| **1,577** |")
    assert "| emmett | 10 | 2.0 | 5 | 5 | 3 |" in page


def test_a_list_that_is_read_among_many_runs_has_its_own_table():
    some = start(25, 100)
    listed = replace(some, kind="http list", case={"connections": 8, "filled": 1_000_000})
    assert "### List, 1,000,000 runs" in rendered(results(some, listed))


def test_the_page_in_the_repository_is_made_of_the_results_in_the_repository():
    plots = sorted(path.name for path in PLOTS.glob("*.svg"))
    assert PAGE.read_text() == rendered(read(), plots)
