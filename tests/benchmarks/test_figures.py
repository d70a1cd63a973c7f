"""Figures are summed up and kept so that each tells what was measured, and nothing else."""

from tests.benchmarks.figures import Figure, Piece, figure, keep, read
from tests.benchmarks.load import Measured, quantile


def piece(kind="http start", at="2026-03-01T12:00:00Z", per_s=5.0, **case):
    return Piece(kind, case, "make bench", at, "abc", (Figure("flowledger", per_s),))


def test_a_quantile_is_a_value_that_was_measured():
    assert [quantile([3, 1, 2, 4], q) for q in (0, 0.5, 0.99, 1)] == [1, 3, 4, 4]


def test_a_quantile_of_nothing_is_nothing():
    assert quantile([], 0.99) == 0


def test_the_rate_is_the_median_of_the_rounds_and_errors_are_all_of_them():
    rounds = [Measured(1.0, [0.001] * n, errors) for n, errors in ((10, 0), (30, 2), (20, 1))]
    found = figure("flowledger", rounds, lost=4)
    assert (found.per_s, found.errors, found.more) == (20, 3, {"lost": 4})
    assert found.rounds_per_s == [10, 30, 20]
    assert (found.p50_ms, found.p99_ms) == (1, 1)


def test_a_ratio_is_taken_within_a_piece_alone():
    mine = Piece("a", {}, "", "", "", (Figure("we", 6.0), Figure("they", 2.0)))
    assert mine.ratio("we", "they") == 3
    assert mine.ratio("we", "others") is None


def test_what_is_kept_is_read_back(tmp_path):
    kept = piece(connections=8)
    keep(kept, {"machine": {"processors": 2}}, tmp_path / "results.json")
    found = read(tmp_path / "results.json")
    assert found.pieces == {"http start connections=8": kept}
    assert found.setting == {"machine": {"processors": 2}}


def test_a_piece_measured_anew_takes_the_place_of_the_old_one_alone(tmp_path):
    store = tmp_path / "results.json"
    for each in (piece(connections=8), piece(connections=64), piece(connections=8, per_s=7.0)):
        keep(each, {}, store)
    found = read(store)
    assert len(found.pieces) == 2
    assert found.find("http start", connections=8).figures[0].per_s == 7


def test_of_several_that_fit_the_last_one_measured_is_found(tmp_path):
    store = tmp_path / "results.json"
    keep(piece(at="2026-03-02", filled=1), {}, store)
    keep(piece(at="2026-03-01", filled=0), {}, store)
    assert read(store).find("http start").at == "2026-03-02"
