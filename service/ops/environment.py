"""Removes secrets from the environment of a process once they are read."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

SECRETS: Final = frozenset(
    {"FLOWLEDGER_SECRET_KEY", "FLOWLEDGER_OLD_SECRET_KEY", "FLOWLEDGER_DATABASE_URL"}
)
"""Variables that no task may see: with them it could read all tenants' data and forge events."""


def forget_secrets() -> None:
    """Remove the secrets from `os.environ`, and from what `/proc/PID/environ` shows.

    Tasks on the loop see the first, other processes of the same account the second. Read the
    settings before. What the process keeps in its memory only a debugger can read.
    """
    if sys.platform == "linux":
        _blank_initial_environment()
    for name in SECRETS:
        os.environ.pop(name, None)


def _blank_initial_environment() -> None:
    # The kernel shows the memory in which the process got its environment, whatever is unset later.
    environ = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    index = 0
    while (address := environ[index]) is not None:
        name, _, value = ctypes.string_at(address).partition(b"=")
        if os.fsdecode(name) in SECRETS:
            ctypes.memset(address + len(name) + 1, 0, len(value))
        index += 1
