"""The demo, as a newcomer has it: its own Postgres, and lines that work when they are pasted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.ledger import free_port

VENDORS = {"own API", "Etlworks", "InVision", "Celery Director", "NAVER Data Flow", "Incorta"}


@pytest.fixture
def home() -> Iterator[Path]:
    # Not below pytest's own folder: the server's account must reach it.
    folder = Path(tempfile.mkdtemp(prefix="flowledger-demo-"))
    folder.chmod(0o711)
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def start(home: Path) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOWLEDGER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "service", "demo"],
        env={**environment, "FLOWLEDGER_HOME": str(home), "FLOWLEDGER_PORT": str(free_port())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def printed(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    page = ""
    for line in demo.stdout:
        page += line
        if line.startswith("Serving until"):
            return page
    raise AssertionError(page)


def paste(shell: str) -> object:
    done = subprocess.run(
        ["sh", "-c", shell], capture_output=True, text=True, check=True, timeout=30
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_printed_line_works_when_pasted_and_the_demo_ends_cleanly(home: Path) -> None:
    demo = start(home)
    try:
        page = printed(demo)
        lines = dict(re.findall(r"^# (.+)\n(.+)$", page, re.MULTILINE))
        started = paste(lines.pop("Start one"))
        assert started["status"] == "queued"
        answers = {title: paste(shell) for title, shell in lines.items()}
        assert answers.keys() == VENDORS
        assert answers["own API"]["status"] == "succeeded"
        assert answers["Etlworks"]["status"] == "success"
        assert answers["InVision"]["status"] == "Succeeded"
        assert answers["Celery Director"]["status"] == "success"
        assert answers["NAVER Data Flow"]["list"][0]["status"] == "COMPLETED"
        assert answers["Incorta"]["status"]["jobStatus"] == "Success"
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 0
    finally:
        demo.kill()
        demo.communicate()
