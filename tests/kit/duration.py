"""The length of endurance tests, from FLOWLEDGER_TORTURE_S.

Unset, tests are short enough for `make test`. Set, they and the programme of `tests/torture` share
that many seconds; 1,200 is the full length.
"""

import os
from typing import Final

SETTING: Final = "FLOWLEDGER_TORTURE_S"
FULL_S: Final = 1200.0

SECONDS: Final = float(os.environ.get(SETTING) or 0)
SHARE: Final = min(SECONDS / FULL_S, 1.0)


def times(short: int, full: int) -> int:
    """Give so many: ``short`` in the suite, up to ``full`` under torture."""
    return max(short, round(full * SHARE))
