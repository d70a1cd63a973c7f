"""Both layers of NAVER's errors: the gateway's, and the service's behind it."""

from __future__ import annotations

import pytest

from service import errors
from service.dialects.naver.errors import body, status
from service.runs.domain.errors import RunEnded

ID = "wfA1b2C3d4E5"


def _service(code, kind, detail):
    return {
        "error": {"errorCode": code, "message": kind, "details": detail},
        "errorType": kind,
        "detail": detail,
    }


def _gateway(code, message, details):
    return {"error": {"errorCode": code, "message": message, "details": details}}


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (
            errors.UnknownFlow("example.ETL"),
            404,
            _service("300", "not-found", f"Workflow {ID} does not exist."),
        ),
        (errors.BadRequest("page"), 400, _service("100", "bad-parameter", "page")),
        (
            errors.InvalidPayload(["x"]),
            400,
            _service("100", "bad-parameter", "Payload is not valid: x"),
        ),
        (errors.IdempotencyKeyReused("used"), 422, _service("100", "bad-parameter", "used")),
        (errors.FlowBusy("busy"), 400, _service("100", "bad-state", "busy")),
        (RunEnded("ended"), 400, _service("100", "bad-state", "ended")),
        (
            errors.Unauthenticated("which part is not told"),
            401,
            _gateway("200", "Authentication Failed", "Invalid authentication information."),
        ),
        (errors.Forbidden("role"), 403, _gateway("230", "Forbidden", "role")),
        (errors.NotFound("no"), 404, _gateway("300", "Not Found Exception", "no")),
        (
            errors.MethodNotAllowed("PUT", ["GET"]),
            405,
            _gateway("100", "Bad Request Exception", "PUT is not allowed here; allowed: GET"),
        ),
        (errors.TooLarge("big"), 413, _gateway("430", "Request Entity Too Large", "big")),
        (errors.Overloaded("later"), 503, _gateway("500", "Endpoint Error", "later")),
        (errors.ServiceError("bug"), 500, _gateway("900", "Unexpected Error", "bug")),
    ],
)
def test_refusal_has_navers_body(error, code, expected):
    assert status(error) == code
    assert body(error, {"workflowId": ID}) == expected


JOB = {"jobId": "Jb3Tn8KwR5yZ", "executionId": "Ej7Qm2XcV9aB"}


@pytest.mark.parametrize(
    ("error", "path", "subject"),
    [
        (errors.UnknownFlow("x"), {"jobId": "Jb3Tn8KwR5yZ"}, "Job Jb3Tn8KwR5yZ"),
        (errors.UnknownFlow("x"), {"triggerId": "Tg1Ls6DpF4hU"}, "Trigger Tg1Ls6DpF4hU"),
        (errors.UnknownFlow("x"), JOB, "Job Jb3Tn8KwR5yZ"),
        (errors.UnknownRun("x"), JOB, "Job execution Ej7Qm2XcV9aB"),
    ],
)
def test_not_found_error_names_the_requested_id(error, path, subject):
    assert body(error, path)["detail"] == f"{subject} does not exist."


def test_every_refusal_has_all_three_texts():
    for error in (errors.Unauthenticated(), errors.NotFound(), errors.BadRequest()):
        texts = body(error, {})["error"]
        assert all(isinstance(texts[key], str) and texts[key] for key in ("errorCode", "message"))
        assert isinstance(texts["details"], str)
