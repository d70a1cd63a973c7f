"""What only the runs' own room can say went wrong."""

from __future__ import annotations

from service.errors import ServiceError


class ClaimLost(ServiceError):
    """The run is not to be had at that epoch: another worker has it, or it has ended."""

    code = "claim-lost"
    status = 409


class BrokenStream(ServiceError):
    """The stream of a run holds an event that its state does not allow."""

    code = "broken-stream"
