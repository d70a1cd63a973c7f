"""What is refused of a file of flows: each refusal says file, line and reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.errors import BadRequest

At = tuple[str | int, ...]
"""A place in a document: the keys and indices that lead to it, from the top."""


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """Why something of a file is refused; ``line`` counts from 1.

    >>> str(Refusal("flows.yaml", 12, "unknown task 'EXTRAKT'"))
    "flows.yaml:12: unknown task 'EXTRAKT'"
    """

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class LoadRefused(BadRequest):
    """The flows were refused; nothing of them is registered."""

    code = "load-refused"

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(sorted(refusals))
        super().__init__("\n".join(map(str, self.refusals)))


@dataclass(slots=True)
class Findings:
    """What is wrong in one document: gathered, so that one load names all of it."""

    file: str
    lines: Mapping[At, int]
    refusals: list[Refusal] = field(default_factory=list)

    def line(self, at: At) -> int:
        """Find the line of a place, or of the nearest one around it that is written."""
        while at not in self.lines and at:
            at = at[:-1]
        return self.lines.get(at, 1)

    def refuse(self, at: At, reason: str) -> None:
        """Note what is wrong at a place."""
        self.refusals.append(Refusal(self.file, self.line(at), reason))
