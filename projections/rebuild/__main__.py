"""A process that goes on with a rebuild that nobody is at: ``-m projections.rebuild NAME``.

It reads the database's address from its standard input, where nobody else sees it, and ends when
that is closed: with the process that began it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading

from events.errors import LogError
from projections.errors import ProjectionError
from projections.rebuild.phases import resume


def main() -> int:
    """Go on with a rebuild to its end."""
    url = sys.stdin.readline().strip()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        asyncio.run(resume(url, sys.argv[1]))
    except (ProjectionError, LogError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
