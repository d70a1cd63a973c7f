"""The dialects: a folder a vendor, each a translation of that vendor's API, found by discovery."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from service.dialect import Dialect


def discover(package: str = __name__) -> tuple[Dialect, ...]:
    """Find every vendor's dialect, in the order of their names: a new folder is a new vendor.

    ``package`` is where they are looked for; dialects kept elsewhere are found just so.
    """
    places = import_module(package).__path__
    names = sorted(module.name for module in iter_modules(places) if module.ispkg)
    return tuple(import_module(f"{package}.{name}").DIALECT for name in names)
