"""What fuzzing finds: a server error, or a status that the document does not name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

SHOWN = 30


@dataclass
class Findings:
    """One finding for each operation and status, with the first request that led to it."""

    first: dict[tuple[str, int], str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.first)

    def judge(self, name: str, status: int, documented: Collection[str], request: str) -> None:
        """Note an answer, if it is a finding."""
        if status >= 500 or str(status) not in documented:
            self.first.setdefault((name, status), request)

    def print(self) -> None:
        """Print them, each with its request."""
        for (name, status), request in sorted(self.first.items())[:SHOWN]:
            kind = "server error" if status >= 500 else "undocumented status"
            print(f"  {kind} {status} of {name}: {request}")
