"""Diagnostics of a file of flows: each names the file, the line and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.errors import BadRequest

YamlPath = tuple[str | int, ...]
"""A location in a YAML document: the keys and indices that lead to it from the top."""


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One mistake in a file; ``line`` counts from 1.

    >>> str(Diagnostic("flows.yaml", 12, "unknown task 'EXTRAKT'"))
    "flows.yaml:12: unknown task 'EXTRAKT'"
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class FlowLoadError(BadRequest):
    """The flows have mistakes; none of them is registered."""

    code = "load-refused"

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(diagnostics))
        super().__init__("\n".join(map(str, self.diagnostics)))


@dataclass(slots=True)
class Diagnostics:
    """Collects the mistakes of one document, so that one load reports all of them."""

    file: str
    lines: Mapping[YamlPath, int]
    collected: list[Diagnostic] = field(default_factory=list)

    def line(self, location: YamlPath) -> int:
        """Find the line of a location, or of the nearest enclosing one that has a line."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 1)

    def add(self, location: YamlPath, message: str) -> None:
        """Record a mistake at a location."""
        self.collected.append(Diagnostic(self.file, self.line(location), message))
