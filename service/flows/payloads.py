"""The payload of a run, held against its flow's schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing.jsonschema import EMPTY_REGISTRY, SchemaRegistry

from projections.documents.flow import Flow
from service.errors import InvalidPayload

REGISTRY: Final[SchemaRegistry] = EMPTY_REGISTRY
"""What a schema may refer to besides itself: nothing is ever fetched."""

MAX_ERROR_TEXT: Final = 256 * 1024
"""Characters of all error texts together: each may quote as much as the payload holds."""


def check(flow: Flow, payload: Mapping[str, Any]) -> None:
    """Hold a payload against its flow's schema; a flow without one takes any object.

    Raises:
        InvalidPayload: with jsonschema's own texts, in the order in which the schema is written, as
            Celery Director answers them; the one that goes beyond `MAX_ERROR_TEXT` is cut and the
            last.

    """
    if texts := errors_of(flow.payload_schema, payload):
        raise InvalidPayload(texts)


def errors_of(schema: str | None, payload: Mapping[str, Any]) -> list[str]:
    """Tell what of a payload does not fit a schema, given as JSON text; None takes any object."""
    if schema is None:
        return []
    errors = _validator(schema).iter_errors(dict(payload))
    try:
        return list(_bounded(error.message for error in errors))
    except RecursionError:
        return ["the payload is nested too deeply for its schema"]


def validator_of(schema: Mapping[str, Any]) -> Validator:
    """Make the validator that a schema asks for by its `$schema`, else JSON Schema 2020-12's."""
    return validator_for(schema, default=Draft202012Validator)(schema, registry=REGISTRY)


@lru_cache(maxsize=1024)
def _validator(text: str) -> Validator:
    return validator_of(json.loads(text))


def _bounded(messages: Iterable[str]) -> Iterator[str]:
    left = MAX_ERROR_TEXT
    for message in messages:
        if len(message) > left:
            yield f"{message[:left]}..."
            return
        left -= len(message)
        yield message
