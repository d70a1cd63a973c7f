"""Finds the APIs to serve: our own and the vendors' dialects."""

from __future__ import annotations

from service import dialects
from service.api.dialect import DIALECT as OWN
from service.dialect import Dialect


def discover() -> tuple[Dialect, ...]:
    """Return our own API, then the vendors' dialects by name."""
    return (OWN, *dialects.discover())
