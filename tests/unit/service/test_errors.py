"""The codes of errors, which are the types of the problems that clients of /v1 read."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import service
from service.api.errors import problem_type
from service.errors import BadRequest, ServiceError

PROBLEMS = {
    ("urn:flowledger:problem:bad-request", 400),
    ("urn:flowledger:problem:bad-state", 400),
    ("urn:flowledger:problem:broken-stream", 500),
    ("urn:flowledger:problem:broken-tasks", 500),
    ("urn:flowledger:problem:claim-lost", 409),
    ("urn:flowledger:problem:crashed", 500),
    ("urn:flowledger:problem:embedded-postgres-error", 500),
    ("urn:flowledger:problem:flow-busy", 409),
    ("urn:flowledger:problem:flow-changed", 503),
    ("urn:flowledger:problem:forbidden", 403),
    ("urn:flowledger:problem:head-too-large", 431),
    ("urn:flowledger:problem:head-too-slow", 408),
    ("urn:flowledger:problem:invalid-body", 400),
    ("urn:flowledger:problem:invalid-group", 422),
    ("urn:flowledger:problem:invalid-level", 422),
    ("urn:flowledger:problem:invalid-payload", 400),
    ("urn:flowledger:problem:invalid-setting", 500),
    ("urn:flowledger:problem:key-reused", 422),
    ("urn:flowledger:problem:ledger-on-hold", 503),
    ("urn:flowledger:problem:load-refused", 400),
    ("urn:flowledger:problem:method-not-allowed", 405),
    ("urn:flowledger:problem:not-found", 404),
    ("urn:flowledger:problem:not-now", 409),
    ("urn:flowledger:problem:not-paused", 409),
    ("urn:flowledger:problem:not-retryable", 409),
    ("urn:flowledger:problem:nothing-to-restart", 400),
    ("urn:flowledger:problem:overloaded", 503),
    ("urn:flowledger:problem:plan-busy", 400),
    ("urn:flowledger:problem:position-ahead", 400),
    ("urn:flowledger:problem:position-not-reached", 503),
    ("urn:flowledger:problem:run-ended", 409),
    ("urn:flowledger:problem:run-open", 409),
    ("urn:flowledger:problem:service-error", 500),
    ("urn:flowledger:problem:too-few-connections", 500),
    ("urn:flowledger:problem:too-large", 413),
    ("urn:flowledger:problem:unauthenticated", 401),
    ("urn:flowledger:problem:unavailable", 503),
    ("urn:flowledger:problem:unknown-host", 421),
    ("urn:flowledger:problem:unknown-execution", 404),
    ("urn:flowledger:problem:unknown-flow", 404),
    ("urn:flowledger:problem:unknown-group", 400),
    ("urn:flowledger:problem:unknown-read-model", 404),
    ("urn:flowledger:problem:unknown-run", 404),
    ("urn:flowledger:problem:unreadable", 400),
    ("urn:flowledger:problem:unsupported-encoding", 415),
    ("urn:flowledger:problem:unsupported-media-type", 415),
}
"""The URN and status of every error of the service. Clients know them: an entry never changes."""


def every_error() -> Iterator[type[ServiceError]]:
    for module in pkgutil.walk_packages(service.__path__, "service."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    known = [ServiceError]
    while known:
        error = known.pop()
        known += error.__subclasses__()
        if error.__module__.startswith("service."):
            yield error


def test_problem_types_and_statuses_never_change():
    found = [(problem_type(error.__new__(error)), error.status) for error in every_error()]
    assert sorted(found) == sorted(PROBLEMS)


@pytest.mark.parametrize("base", [ServiceError, BadRequest])
def test_error_class_without_a_code_of_its_own_cannot_be_defined(base):
    with pytest.raises(TypeError, match="Nameless states no code"):
        type("Nameless", (base,), {})
