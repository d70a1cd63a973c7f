"""What the doctor finds, and the report of an examination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: in what state a part is, and what cures it."""

    check: str
    level: Level
    text: str
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, and the checks that could not be made because of an earlier error."""

    findings: Sequence[Finding]
    not_checked: Sequence[str] = ()

    @property
    def level(self) -> Level:
        """The worst level of any finding."""
        levels = {finding.level for finding in self.findings}
        return "error" if "error" in levels else "warning" if "warning" in levels else "ok"

    def as_json(self) -> dict[str, Any]:
        """Give the shape that `flowledger doctor --json` prints."""
        return {
            "level": self.level,
            "findings": [
                {"check": each.check, "level": each.level, "text": each.text, "cure": each.cure}
                for each in self.findings
            ],
            "not_checked": list(self.not_checked),
        }
