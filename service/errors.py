"""Errors of the service, one class per reason; each dialect translates them into its own body.

Clients of ``/v1`` see the code of a class in the type of a problem. Each class states its code, so
that renaming a class does not rename the problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar


class ServiceError(Exception):
    """The service could not do what was asked."""

    code: ClassVar[str] = "service-error"
    """Permanent, unique, in kebab-case: the problem type that clients of ``/v1`` see."""

    status: ClassVar[int] = 500
    """The HTTP status, unless a dialect has another one."""

    def __init_subclass__(cls) -> None:
        """Refuse a class without a code of its own: an inherited one would name two problems."""
        super().__init_subclass__()
        if "code" not in vars(cls):
            raise TypeError(f"{cls.__name__} states no code")

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        super().__init__(self.detail)


class BadRequest(ServiceError):
    """The request is malformed."""

    code = "bad-request"
    status = 400

    def __init__(self, detail: str = "", *, field: str = "") -> None:
        super().__init__(detail)
        self.field = field


class InvalidPayload(BadRequest):
    """The payload does not fit the flow's schema."""

    code = "invalid-payload"

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("Payload is not valid: " + "; ".join(errors), field="payload")
        self.errors = tuple(errors)


class UnknownGroup(BadRequest):
    """The plan has no such group."""

    code = "unknown-group"

    def __init__(self, group: int, groups: int) -> None:
        super().__init__(
            f"there is no group {group}; the plan has groups 1 to {groups}", field="group"
        )
        self.group = group
        self.groups = groups


class InvalidSetting(ServiceError):
    """A setting is missing or wrong, so the service does not start."""

    code = "invalid-setting"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.name = name


class Unauthenticated(ServiceError):
    """The credential is missing, malformed, unknown, expired or revoked."""

    code = "unauthenticated"
    status = 401


class Forbidden(ServiceError):
    """The role of this credential does not allow that."""

    code = "forbidden"
    status = 403


class UnknownHost(ServiceError):
    """This host is not served here; an operator may add it to FLOWLEDGER_ALLOWED_HOSTS."""

    code = "unknown-host"
    status = 421


class NotFound(ServiceError):
    """Nothing of this name exists in this tenant."""

    code = "not-found"
    status = 404


class UnknownFlow(NotFound):
    """The tenant has no such flow."""

    code = "unknown-flow"

    def __init__(self, flow: object) -> None:
        super().__init__(f"there is no flow {flow}")
        self.flow = flow


class UnknownRun(NotFound):
    """The tenant has no such run."""

    code = "unknown-run"

    def __init__(self, run: object) -> None:
        super().__init__(f"there is no run {run}")
        self.run = run


class UnknownReadModel(NotFound):
    """There is no such version of a read model."""

    code = "unknown-read-model"

    def __init__(self, name: str, version: int | None, known: Sequence[str]) -> None:
        what = name if version is None else f"{name} version {version}"
        super().__init__(f"there is no read model {what}; there are {', '.join(known)}")


class MethodNotAllowed(ServiceError):
    """The resource does not allow this method."""

    code = "method-not-allowed"
    status = 405

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allowed = tuple(sorted(allowed))
        super().__init__(f"{method} is not allowed here; allowed: {', '.join(self.allowed)}")


class NotPaused(ServiceError):
    """The read model is not paused."""

    code = "not-paused"
    status = 409


class OperationConflict(ServiceError):
    """The state of the read model does not allow this operation now."""

    code = "not-now"
    status = 409


class RunNotFinished(ServiceError):
    """The run has not ended, so no part of it can run again."""

    code = "run-open"
    status = 409


class NotRetryable(ServiceError):
    """The run has no such part that can run again."""

    code = "not-retryable"
    status = 409


class FlowBusy(ServiceError):
    """The flow is exclusive and another run of it has not ended yet."""

    code = "flow-busy"
    status = 409


class TooLarge(ServiceError):
    """The request is larger than the ledger stores."""

    code = "too-large"
    status = 413


class HeadTooLarge(ServiceError):
    """The request line with all headers is too large."""

    code = "head-too-large"
    status = 431

    def __init__(self, most: int) -> None:
        super().__init__(f"the request line or the headers are larger than {most} bytes")


class HeadTooSlow(ServiceError):
    """The headers of the request did not arrive in time."""

    code = "head-too-slow"
    status = 408

    def __init__(self, within_s: float) -> None:
        super().__init__(f"the headers of the request did not arrive within {within_s:.0f} s")


class UnsupportedMediaType(ServiceError):
    """The body is not of a type that this call takes."""

    code = "unsupported-media-type"
    status = 415


class UnsupportedEncoding(ServiceError):
    """The body is compressed in a way that is not understood."""

    code = "unsupported-encoding"
    status = 415
    accepted: ClassVar[str] = "gzip, deflate"

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"Content-Encoding {encoding[:40]!r} is not understood; send gzip, deflate or none"
        )


class IdempotencyKeyReused(ServiceError):
    """This idempotency key belongs to a different request; send a new key."""

    code = "key-reused"
    status = 422


class Unavailable(ServiceError):
    """The service cannot answer now; try again."""

    code = "unavailable"
    status = 503

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, reason: str = "") -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.reason = reason
        """Words of the database, which are for the log and for no client."""

    def __str__(self) -> str:
        return f"{self.detail} ({self.reason})" if self.reason else self.detail


class LedgerOnHold(Unavailable):
    """The ledger is on hold: it is read, and starts nothing until an operator resumes it."""

    code = "ledger-on-hold"

    def __init__(self) -> None:
        super().__init__(retry_after_s=60)


def database_unavailable(error: Exception) -> Unavailable:
    """Say to clients that the database does not answer, and to the log why."""
    return Unavailable("the ledger's database does not answer; try again", reason=str(error))


class FlowChanged(Unavailable):
    """The flow has a newer version than the one whose schedule was read."""

    code = "flow-changed"


class Overloaded(Unavailable):
    """Too many commands wait already; try again later."""

    code = "overloaded"


class PositionAhead(BadRequest):
    """The requested position is beyond the end of the log."""

    code = "position-ahead"

    def __init__(self, name: str, position: int, head: int) -> None:
        super().__init__(
            f"{name} is {position}, beyond the end of the log, {head}; if the ledger was restored,"
            " follow it anew from a position that it has",
            field=name,
        )
        self.position = position
        self.head = head


class PositionNotReached(Unavailable):
    """The read model did not reach the requested position in time; try again."""

    code = "position-not-reached"


class InternalError(ServiceError):
    """The service failed unexpectedly; its log has the traceback under the request's id."""

    code = "crashed"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"internal error; the service's log has the details under request {request_id}"
        )
        self.request_id = request_id
