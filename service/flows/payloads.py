"""Payload schemas: read with a flow's file, and checked against each run's payload."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import (
    DRAFT202012,
    EMPTY_REGISTRY,
    SchemaRegistry,
    specification_with,
)

from projections.documents.flow import Flow
from service.errors import InvalidPayload
from service.flows.errors import Diagnostics, YamlPath
from service.flows.patterns import UnsupportedPattern, compile_pattern, in_linear_time

MAX_ERROR_TEXT: Final = 256 * 1024
"""Characters of all error texts together: each may quote the whole payload."""

Schema = Mapping[str, Any]

# A schema may refer only to itself: nothing is fetched.
_REGISTRY: Final[SchemaRegistry] = EMPTY_REGISTRY


def check(flow: Flow, payload: Mapping[str, Any]) -> None:
    """Check a payload against its flow's schema; a flow without one accepts any object.

    Raises:
        InvalidPayload: with jsonschema's own texts, in the order of the schema's keywords, as
            Celery Director answers them. Beyond `MAX_ERROR_TEXT` the texts are cut.

    """
    if texts := errors_of(flow.payload_schema, payload):
        raise InvalidPayload(texts)


def errors_of(schema: str | None, payload: Mapping[str, Any]) -> list[str]:
    """List how a payload violates a schema, given as JSON text; None accepts any object."""
    if schema is None:
        return []
    errors = _validator(schema).iter_errors(dict(payload))
    try:
        return list(_bounded(error.message for error in errors))
    except RecursionError:
        return ["the payload is nested too deeply for its schema"]
    except UnsupportedPattern as error:  # of a flow that an older release has loaded
        return [f"the schema of the flow must be changed: {error}"]


@lru_cache(maxsize=1024)
def _validator(text: str) -> Validator:
    return _validator_of(json.loads(text))


def _validator_of(schema: Schema) -> Validator:
    # By the schema's `$schema`, else for JSON Schema 2020-12.
    kind = validator_for(schema, default=Draft202012Validator)
    return in_linear_time(kind)(schema, registry=_REGISTRY)


def _bounded(messages: Iterable[str]) -> Iterator[str]:
    remaining = MAX_ERROR_TEXT
    for message in messages:
        if len(message) > remaining:
            yield f"{message[:remaining]}..."
            return
        remaining -= len(message)
        yield message


def read_schema(
    folder: Path, flow: Mapping[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> tuple[Schema | None, str | None]:
    """Read a flow's `schema`: the schema and its JSON text; both None without one.

    A string names `schemas/STRING.json` beside the file, as in Celery Director; a mapping is the
    schema itself.
    """
    if "schema" not in flow:
        return None, None
    try:
        schema = _load(folder, flow["schema"])
        _check_schema(schema)
    except ValueError as error:
        diagnostics.add((*location, "schema"), f"schema: {error}")
        return None, None
    return schema, json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _load(folder: Path, value: object) -> Schema:
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("must be the name of a file in schemas, or a mapping")
    name = PurePosixPath(value)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"{value!r} is outside the folder schemas")
    return _read(folder / "schemas" / f"{value}.json")


def _read(file: Path) -> Schema:
    try:
        schema = json.loads(file.read_bytes(), parse_constant=_refuse_constant)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8
        raise ValueError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(schema, dict):
        raise ValueError(f"{file} is not a JSON object")  # noqa: TRY004 - of the file, not of a caller
    return schema


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not a JSON number")


def _check_schema(schema: Schema) -> None:
    """Make sure that no payload can make validation crash."""
    validator = _validator_of(schema)
    try:
        type(validator).check_schema(dict(schema))
        _check_patterns(schema)
        for reference in _unresolvable(schema):
            raise ValueError(
                f"the reference {reference!r} cannot be resolved: a schema may refer only to itself"
            )
    except SchemaError as error:
        raise ValueError(f"at {error.json_path}: {error.message}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def _check_patterns(schema: Schema) -> None:
    keywords: set[str] = set()
    for resource, _ in _subschemas(schema):
        contents = resource.contents if isinstance(resource.contents, dict) else {}
        keywords |= contents.keys()
        patterns = [*contents.get("patternProperties", ()), contents.get("pattern")]
        for pattern in patterns:
            if isinstance(pattern, str):
                compile_pattern(pattern)
    if {"patternProperties", "unevaluatedProperties"} <= keywords:
        raise ValueError(
            "has patternProperties and unevaluatedProperties, which are not matched in linear time"
            " together: write additionalProperties"
        )


def _unresolvable(schema: Schema) -> Iterator[str]:
    for resource, resolver in _subschemas(schema):
        yield from _unresolvable_here(resource, resolver)


def _subschemas(schema: Schema) -> Iterator[tuple[Resource[Any], Any]]:
    """Yield a schema and all in it, each with what resolves its references."""
    dialect = specification_with(str(schema.get("$schema", "")), default=DRAFT202012)
    top = dialect.create_resource(schema)
    pending = [(top, _REGISTRY.resolver_with_root(top))]
    while pending:
        resource, resolver = pending.pop()
        yield resource, resolver
        pending += [(sub, resolver.in_subresource(sub)) for sub in resource.subresources()]


def _unresolvable_here(resource: Resource[Any], resolver: Any) -> Iterator[str]:  # noqa: ANN401 - private type
    contents = resource.contents if isinstance(resource.contents, dict) else {}
    for keyword in ("$ref", "$dynamicRef"):
        reference = contents.get(keyword)
        if isinstance(reference, str) and not _resolves(resolver, reference):
            yield reference


def _resolves(resolver: Any, reference: str) -> bool:  # noqa: ANN401 - private type
    try:
        resolver.lookup(reference)
    except Unresolvable:
        return False
    return True
