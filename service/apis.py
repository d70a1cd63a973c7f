"""Finds what is served: our own API and every vendor's dialect."""

from __future__ import annotations

from service import dialects
from service.api.dialect import DIALECT as OWN
from service.dialect import Dialect


def discover() -> tuple[Dialect, ...]:
    """List our own API, then the vendors' dialects by name."""
    return (OWN, *dialects.discover())
