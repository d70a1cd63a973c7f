"""A misspelt member of a body or a document is an error of mypy."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).with_name("misspelt.py")
FOUND = re.compile(r":(\d+): error: .*\[([a-z-]+)\]$", re.MULTILINE)
MARKED = re.compile(r"# E: ([a-z-]+)$")


@pytest.mark.timeout(300)  # a cold cache takes its time
def test_mypy_finds_each_misspelt_member():
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", CASES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    found = {(int(line), code) for line, code in FOUND.findall(checked.stdout)}
    marked = {
        (number, match[1])
        for number, line in enumerate(CASES.read_text(encoding="utf-8").splitlines(), 1)
        if (match := MARKED.search(line))
    }
    said = checked.stdout + checked.stderr
    assert marked <= found, said
    assert {line for line, _ in found} == {line for line, _ in marked}, said
