"""The errors that only commands on runs raise."""

from __future__ import annotations

from service.errors import ServiceError
from service.runs.domain.commands import Outcome


class RunEnded(ServiceError):
    """The run has ended; nothing was changed."""

    code = "run-ended"
    status = 409

    def __init__(self, detail: str = "", *, outcome: Outcome | None = None) -> None:
        super().__init__(detail)
        self.outcome = outcome


class ClaimLost(ServiceError):
    """The run cannot be claimed at that epoch: another worker has it, or it has ended."""

    code = "claim-lost"
    status = 409


class BrokenStream(ServiceError):
    """The stream of a run holds an event that its state does not allow."""

    code = "broken-stream"
