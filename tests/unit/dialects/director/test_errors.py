"""Each refusal has Director's own body."""

from __future__ import annotations

import pytest

from service import errors
from service.dialects.director.errors import NOT_FOUND, InvalidBody, MalformedJsonBody, body

ID = "E0EE42D8E00F45578F75781106DBBEA4"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.UnknownRun("canonical"), {"error": f"Workflow {ID} not found"}),
        (errors.UnknownFlow("example.NOPE"), {"error": "Workflow example.NOPE not found"}),
        (errors.NotFound(), {"error": NOT_FOUND}),
        (
            errors.MethodNotAllowed("PUT", ["GET"]),
            {"error": "The method is not allowed for the requested URL."},
        ),
        (
            errors.InvalidPayload(["'user' is a required property"]),
            {"error": "Payload is not valid", "errors": ["'user' is a required property"]},
        ),
        (
            InvalidBody(["None is not of type 'string'"]),
            {
                "error": "Error validating against schema",
                "errors": ["None is not of type 'string'"],
            },
        ),
        (
            MalformedJsonBody(),
            {
                "error": "The browser (or proxy) sent a request that this server could not"
                " understand."
            },
        ),
        (
            errors.UnsupportedMediaType(),
            {
                "error": "Did not attempt to load JSON data because the request Content-Type was"
                " not 'application/json'."
            },
        ),
        (
            errors.Unauthenticated("no key"),
            {
                "error": "unauthorized",
                "message": "Please authenticate to access this API.",
                "status": 401,
            },
        ),
        (errors.Forbidden("role viewer may not start"), {"error": "role viewer may not start"}),
        (errors.BadRequest("page is out of range"), {"error": "page is out of range"}),
        (errors.IdempotencyKeyReused("used"), {"error": "used"}),
        (errors.Overloaded("later"), {"error": "later"}),
        (
            errors.InternalError("request-1"),
            {
                "error": "The server encountered an internal error and was unable to complete your"
                " request. Either the server is overloaded or there is an error in the"
                " application."
            },
        ),
    ],
)
def test_refusal_has_directors_body(error, expected):
    assert body(error, ID) == expected
