"""A bar with rate and remaining time where somebody looks, and nothing where nobody does."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

STEPS = """
from service.cli.ledger import progress
with progress(3000, " events", quiet={quiet}) as advanced:
    for _ in range(30):
        advanced(100)
"""


def shown(*, quiet: bool, terminal: bool) -> str:
    ours, theirs = pty.openpty() if terminal else os.pipe()
    if terminal:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    done = subprocess.Popen([sys.executable, "-c", STEPS.format(quiet=quiet)], stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while data := os.read(ours, 65536):
            said += data
    except OSError:  # how a terminal says that nobody writes any more
        pass
    os.close(ours)
    assert done.wait() == 0
    return said.decode()


def test_a_terminal_shows_how_far_how_fast_and_how_long():
    assert "/3.00k [00:00<" in shown(quiet=False, terminal=True)


@pytest.mark.parametrize(("quiet", "terminal"), [(True, True), (False, False)])
def test_nothing_is_shown_to_a_file_or_who_wants_quiet(quiet, terminal):
    assert shown(quiet=quiet, terminal=terminal) == ""
