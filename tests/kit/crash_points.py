"""Kills a process at a named point in its code: `after events.store.Log.append 3`.

A point is before or after, the full name of an async function or method, and the call's number.
`python -m tests.kit.crash_points POINT MODULE ARGUMENTS` runs the `main` of a module up to there.
"""

import asyncio
import functools
import itertools
import os
import pkgutil
import signal
import sys
from importlib import import_module
from typing import Any


def die() -> None:
    """SIGKILL this process: no handler, no `finally`, no goodbye to the database."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point: str) -> None:
    """Have this process kill itself at a named point."""
    when, name, count = point.split()
    if when not in ("before", "after"):
        raise ValueError(f"{point!r}: a point is before or after a call")
    owner_name, _, attribute = name.rpartition(".")
    owner = pkgutil.resolve_name(owner_name)
    original = getattr(owner, attribute)
    calls = itertools.count(1)

    @functools.wraps(original)
    async def doomed(*arguments: Any, **named: Any) -> Any:
        due = next(calls) == int(count)
        if due and when == "before":
            die()
        answer = await original(*arguments, **named)
        if due:
            die()
        return answer

    setattr(owner, attribute, doomed)


if __name__ == "__main__":
    die_at(sys.argv[1])
    asyncio.run(import_module(sys.argv[2]).main(*sys.argv[3:]))
