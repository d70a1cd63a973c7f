"""How many of a flow's runs its lists keep, as its file says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.settings import KEEP_ALL_RUNS, MAX_KEPT_RUNS


def is_retention(value: object) -> bool:
    """Tell whether a flow's `retention` says something: nothing, or an offset.

    Source: Celery Director, docs/guides/retention.md; an offset of 0 keeps none.
    """
    if not isinstance(value, dict):
        return False
    offset = value.get("offset", KEEP_ALL_RUNS)
    return type(offset) is int and KEEP_ALL_RUNS <= offset <= MAX_KEPT_RUNS


def kept_runs(definition: Mapping[str, Any], default: int) -> int | None:
    """Tell how many of a flow's newest runs stay in its lists; None: all of them.

    ``default`` is for a flow that does not say.

    >>> kept_runs({"retention": {"offset": 2}}, default=-1)
    2
    >>> kept_runs({"retention": {"offset": -1}}, default=10)
    """
    retention = definition.get("retention", {})
    # A release before took more than is_retention does.
    offset = retention.get("offset", default) if is_retention(retention) else KEEP_ALL_RUNS
    return None if offset == KEEP_ALL_RUNS else int(offset)
