"""Every example in a docstring of the three packages runs, and shows what it says."""

import doctest
import io
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("events", "projections", "service")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
PROMPTS = {
    name: len(re.findall(r"^\s*>>>", path.read_text(), re.MULTILINE))
    for name, path in MODULES.items()
}
IMPORT_ALL = """
import os, sys, threading
from importlib import import_module
before = dict(os.environ), sorted(sys.warnoptions), threading.enumerate()
for name in sys.argv[1:]:
    import_module(name)
assert before == (dict(os.environ), sorted(sys.warnoptions), threading.enumerate())
"""


@pytest.mark.parametrize("name", [name for name, prompts in PROMPTS.items() if prompts])
def test_every_example_of_the_module_runs_and_is_right(name):
    runner, said = doctest.DocTestRunner(verbose=False), io.StringIO()
    for found in doctest.DocTestFinder(exclude_empty=True).find(import_module(name), name):
        runner.run(found, out=said.write)

    assert runner.failures == 0, said.getvalue()
    # One that the finder does not see, or that skips itself, is missing here.
    assert runner.tries == PROMPTS[name]


def test_importing_every_module_has_no_effect(tmp_path):
    imported = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL, *MODULES],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (imported.returncode, imported.stdout, imported.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
