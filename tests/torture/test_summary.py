"""The programme fails on any fault, and runs every scenario of its folder."""

from tests.torture.__main__ import scenarios, summarise
from tests.torture.stage import Finding


def test_a_fault_fails_the_programme_and_a_figure_does_not(tmp_path, capsys):
    (tmp_path / "writer-1.errors").write_text("what it died of")
    assert summarise([Finding("events", 7), Finding("lost", 0, fault=True)], tmp_path, 1.0) == 0
    assert "what it died of" not in capsys.readouterr().out
    assert summarise([Finding("events", 7), Finding("lost", 1, fault=True)], tmp_path, 1.0) == 1
    assert "what it died of" in capsys.readouterr().out


def test_every_file_is_a_scenario():
    assert {"idle_transaction", "kills", "projections", "readers", "writers"} <= set(scenarios())
