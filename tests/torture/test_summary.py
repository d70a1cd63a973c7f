"""The programme fails on any fault, and runs every scenario of its folder."""

from tests.torture.__main__ import scenarios, summarise
from tests.torture.stage import Finding


def test_faults_fail_the_programme_and_figures_do_not(tmp_path, capsys):
    (tmp_path / "writer-1.errors").write_text("what it died of")
    assert summarise([Finding("events", 7), Finding("lost", 0, fault=True)], tmp_path, 1.0) == 0
    assert "what it died of" not in capsys.readouterr().out
    assert summarise([Finding("events", 7), Finding("lost", 1, fault=True)], tmp_path, 1.0) == 1
    assert "what it died of" in capsys.readouterr().out


def test_every_scenario_file_is_run():
    assert {"idle_transaction", "kills", "projections", "readers", "writers"} <= set(scenarios())
