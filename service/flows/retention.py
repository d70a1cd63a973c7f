"""How many of a flow's runs its lists keep, as its file says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

NEVER: Final = -1
"""The offset of a flow whose runs never leave its lists."""

MOST_KEPT: Final = 1_000_000_000


def is_retention(value: object) -> bool:
    """Tell whether a flow's `retention` says something: nothing, or an offset.

    Source: Celery Director, docs/guides/retention.md; an offset of 0 keeps none.
    """
    if not isinstance(value, dict):
        return False
    offset = value.get("offset", NEVER)
    return type(offset) is int and NEVER <= offset <= MOST_KEPT


def kept_runs(definition: Mapping[str, Any], default: int) -> int | None:
    """Tell how many of a flow's newest runs stay in its lists; None: all of them.

    ``default`` is for a flow that does not say.

    >>> kept_runs({"retention": {"offset": 2}}, default=-1)
    2
    >>> kept_runs({"retention": {"offset": -1}}, default=10)
    """
    retention = definition.get("retention", {})
    # A release before took more than is_retention does.
    offset = retention.get("offset", default) if is_retention(retention) else NEVER
    return None if offset == NEVER else int(offset)
