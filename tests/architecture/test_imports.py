"""Who may import whom, and which distribution answers to our packages' names."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_contracts_of_the_design_hold():
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("package", ["events", "projections", "service"])
def test_the_package_is_ours_and_not_a_distribution_of_the_same_name(package):
    assert Path(importlib.import_module(package).__file__).parent == ROOT / package


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-runtime.lock"])
def test_no_lock_holds_a_distribution_that_installs_a_package_named_as_ours(lock):
    names = {line.split("==")[0].lower() for line in (ROOT / lock).read_text().splitlines()}

    assert names & {"events", "projections", "service"} == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-runtime.lock"])
def test_a_lock_names_no_address(lock):
    assert "://" not in (ROOT / lock).read_text()


def test_the_image_installs_what_the_tests_ran_with():
    def pins(lock):
        lines = (ROOT / lock).read_text().splitlines()
        return {line.split()[0] for line in lines if line[:1].isalnum()}

    assert pins("requirements-runtime.lock") <= pins("requirements.lock")


def test_every_runtime_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {name.split(">")[0].split("=")[0] for name in project["dependencies"]}
    lines = (ROOT / "requirements-runtime.lock").read_text().splitlines()

    assert wanted <= {line.split("==")[0] for line in lines}
