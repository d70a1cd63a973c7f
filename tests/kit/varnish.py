"""A Varnish of Debian's package, with its default rules, in front of a service."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.ledger import free_port

PROGRAM = shutil.which("varnishd") or "/usr/sbin/varnishd"
STARTS_WITHIN_S = 30.0


@contextmanager
def varnish(backend: str) -> Iterator[str]:
    """Run one; yield the URL of the same service through it."""
    if not Path(PROGRAM).exists():
        pytest.fail("there is no varnishd: run `apt-get install varnish`", pytrace=False)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="flowledger-varnish-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "secret").write_text("none")
        command = [PROGRAM, "-F", "-n", folder / "work", "-a", f"127.0.0.1:{port}"]
        command += ["-b", urlsplit(backend).netloc, "-s", "malloc,32m", "-S", folder / "secret"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_until_up(process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while "Child starts" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"varnishd did not start:\n{log.read_text()}", pytrace=False)
        time.sleep(0.05)
