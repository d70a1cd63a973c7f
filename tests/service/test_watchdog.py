"""The watchdog ends a process that stands still, and no other; each in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from service.ops.watchdog import WATCHDOG_STATUS

PROGRAM = """
import asyncio, re, sys, time
from service.ops.watchdog import Watchdog

async def main():
    with Watchdog({bound}) as watchdog:
        print("runs", flush=True)
        {body}
    print("ended by itself", flush=True)

asyncio.run(main())
"""
PATIENCE_S = 30


@pytest.fixture
def start() -> Iterator:
    """Start a process with a watchdog and a body; returns when it runs."""
    started: list[subprocess.Popen[str]] = []

    def start(body: str, bound: float = 1) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(body=body, bound=bound)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_loop_that_stands_still_ends_the_process_with_a_reason_and_all_stacks(start):
    process = start("time.sleep(60)")
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == WATCHDOG_STATUS
    assert "the event loop has not turned for 1 s" in said
    assert "line 8 in main" in said


def test_loop_that_turns_goes_on_beyond_the_bound(start):
    process = start("await asyncio.sleep(4)")
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed) == (0, "ended by itself\n")


def test_interpreter_that_c_code_holds_ends_the_process_with_its_stack(start):
    process = start("re.match('(a+)+$', 'a' * 64 + 'b')")
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert "in main" in said


def test_bound_of_zero_never_ends_the_process(start):
    process = start("time.sleep(4)", bound=0)
    assert process.communicate(timeout=PATIENCE_S)[0] == "ended by itself\n"


def test_process_under_a_debugger_is_left_alone(start):
    process = start("import bdb; await asyncio.sleep(2); time.sleep(4)")
    assert process.communicate(timeout=PATIENCE_S)[0] == "ended by itself\n"


def test_time_for_which_the_whole_process_stood_still_does_not_count(start):
    process = start("await asyncio.sleep(8)", bound=3)
    process.send_signal(signal.SIGSTOP)
    time.sleep(5)
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=PATIENCE_S)[0] == "ended by itself\n"


def test_process_that_does_not_end_in_time_is_ended(start):
    process = start("watchdog.end_within(1); await asyncio.sleep(60)")
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == WATCHDOG_STATUS
    assert "still ran 1 s after it began to stop" in said
