"""The payload schema of a flow: a file of the folder `schemas`, or written in the flow itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from jsonschema.exceptions import SchemaError
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, specification_with

from service.flows.errors import Diagnostics, YamlPath
from service.flows.payloads import REGISTRY, validator_of

Schema = Mapping[str, Any]


def read_schema(
    folder: Path, flow: Mapping[str, Any], location: YamlPath, diagnostics: Diagnostics
) -> tuple[Schema | None, str | None]:
    """Read a flow's `schema`: the schema and its JSON text, or twice None.

    A text names `schemas/TEXT.json` beside the file, as in Celery Director; a mapping is the
    schema itself.
    """
    if "schema" not in flow:
        return None, None
    location = (*location, "schema")
    try:
        schema = _load(folder, flow["schema"])
        _check(schema)
    except ValueError as error:
        diagnostics.add(location, f"schema: {error}")
        return None, None
    return schema, json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _load(folder: Path, value: object) -> Schema:
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("must be the name of a file in schemas, or a mapping")
    name = PurePosixPath(value)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"{value!r} lies outside of schemas")
    return _read(folder / "schemas" / f"{value}.json")


def _read(file: Path) -> Schema:
    try:
        schema = json.loads(file.read_bytes(), parse_constant=_refuse_constant)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8
        raise ValueError(f"{file} is no JSON: {error}") from error
    if not isinstance(schema, dict):
        raise ValueError(f"{file} is no JSON object")  # noqa: TRY004 - of the file, not of a caller
    return schema


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON number")


def _check(schema: Schema) -> None:
    """Make sure that no payload can make this schema crash."""
    validator = validator_of(schema)
    try:
        type(validator).check_schema(dict(schema))
        for reference in _lost(schema):
            raise ValueError(f"the reference {reference!r} leads nowhere")
    except SchemaError as error:
        raise ValueError(f"at {error.json_path}: {error.message}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def _lost(schema: Schema) -> Iterator[str]:
    dialect = specification_with(str(schema.get("$schema", "")), default=DRAFT202012)
    top = dialect.create_resource(schema)
    waiting = [(top, REGISTRY.resolver_with_root(top))]
    while waiting:
        resource, resolver = waiting.pop()
        yield from _lost_here(resource, resolver)
        waiting += [(sub, resolver.in_subresource(sub)) for sub in resource.subresources()]


def _lost_here(resource: Resource[Any], resolver: Any) -> Iterator[str]:  # noqa: ANN401 - private type
    contents = resource.contents if isinstance(resource.contents, dict) else {}
    for keyword in ("$ref", "$dynamicRef"):
        reference = contents.get(keyword)
        if isinstance(reference, str) and not _leads_somewhere(resolver, reference):
            yield reference


def _leads_somewhere(resolver: Any, reference: str) -> bool:  # noqa: ANN401 - private type
    try:
        resolver.lookup(reference)
    except Unresolvable:
        return False
    return True
