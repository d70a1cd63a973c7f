"""A process that continues an unattended rebuild: ``-m projections.rebuild NAME``.

It reads the database's URL from standard input, where no other process sees it. It ends when that
is closed, and so with its parent.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading

from events.errors import LogError
from projections.errors import ProjectionError
from projections.rebuild.start import resume


def main() -> int:
    """Continue a rebuild to its end."""
    url = sys.stdin.readline().strip()
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        asyncio.run(resume(url, sys.argv[1]))
    except (ProjectionError, LogError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _exit_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
