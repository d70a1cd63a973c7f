"""Builds openapi.yaml, an OpenAPI 3.1 document, from the decorators of the handlers.

On a handler, from `service.http.openapi.decorators` (aiohttp-apispec's own, with types)::

    @docs(summary="Latest status of a flow", description="Longer text, markdown.")
    @querystring_schema(EtlworksStatusQuery)  # each field a query parameter
    @match_info_schema(EtlworksStatusPath)    # optional: types of the path's variables
    @request_schema(EtlworksStartBody)        # a JSON body; required=False where it is optional
    @response_schema(EtlworksExecution, 200, description="The execution")
    @response_schema(EtlworksError, 409, description="The flow is running")
    async def status(request: web.Request) -> web.Response:

- Decorators document and never validate (their middleware is not installed): parse by hand.
- Schemas are marshmallow ones, their class names begin with the vendor's (a trailing ``Schema`` is
  dropped); ``metadata={"description": ..., "example": ...}`` and ``allow_none`` are taken over.
- ``summary`` defaults to the first line of the handler's docstring.
- Added by the builder, never by hand: tags, operation ids, path variables (strings unless
  described), the ``as_of`` parameters of reads, security, and the dialect's error body for 400
  (where there are parameters), 401 and 403 (unless the route is open), 404 (where the path has
  variables), 413 (where there is a body) and 503. A status that the handler describes itself wins.
- Other media types: ``@docs(produces=["application/json", "application/x-ndjson"])``. A response by
  hand: ``@docs(responses={"200": {"description": ..., "content": {...}}})``. A parameter by hand:
  ``@docs(parameters=[{"in": "header", "name": ..., "schema": {"type": "string"}}])``.
- A route with a pattern over its first segments (``/{prefix:.+}/api/...``), or a doubled slash in
  front, is not documented: give the plain path a route of its own. Two routes with one handler are
  two operations.

The texts about a dialect as a whole (title, security schemes, error body) are its
`service.dialect.Description`, the attribute ``description`` of ``DIALECT``.

Source: OpenAPI 3.1.0; aiohttp-apispec 3.0.0b2, whose own document is Swagger 2.0.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final, Protocol

import yaml
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from service.dialect import Description, Route
from service.http.as_of import AS_OF, AS_OF_HEADER

ERRORS: Final = {
    400: "The request is malformed.",
    401: "The credential is missing, malformed, unknown, expired or revoked.",
    403: "The role of this credential does not allow that.",
    404: "It does not exist, or it belongs to another tenant.",
    413: "The request is larger than the ledger stores.",
    503: "The service cannot answer now; `Retry-After` says when to try again.",
}
INFO: Final = {
    "description": "One service that starts and records runs of data flows, and serves the records"
    " through five vendors' APIs and one of its own.\n\nAny GET that needs a credential accepts"
    " `Flowledger-Min-Position: n`: the answer shows every event up to that position. It is refused"
    " with 400 if n is beyond the head of the log, or with 503 if n is not reached in time. Each"
    " answer names its own position in `Flowledger-Position`.\n\nAny GET of what is in the log can"
    " answer as of an earlier moment: `?as_of=` or `Flowledger-As-Of`, a position or a time. Such"
    " an answer never changes.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
AS_OF_PARAMETERS: Final[Sequence[Mapping[str, Any]]] = tuple(
    {
        "in": place,
        "name": name,
        "required": False,
        "schema": {"type": "string"},
        "description": "Answer as of this position of the log, or this time (RFC 3339).",
    }
    for place, name in (("query", AS_OF), ("header", AS_OF_HEADER))
)
_VARIABLE: Final = re.compile(r"\{(\w+)(?::[^{}]*(?:\{[^{}]*\}[^{}]*)*)?\}")
_SPANNING: Final = re.compile(r"^/(/|\{\w+:)")
_PARTS: Final = ("openapi", "info", "servers", "tags", "paths", "components")
_ORDER: Final = ("path", "query", "header", "cookie")
_LOCATIONS: Final = {"querystring": "query", "match_info": "path", "headers": "header"}


class Documented(Protocol):
    """A part of the document: a dialect, or the pages of the service itself."""

    @property
    def name(self) -> str:
        """The prefix of the operation ids."""
        ...

    @property
    def description(self) -> Description:
        """The texts about all operations of the part."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """The operations."""
        ...


def document(parts: Iterable[Documented]) -> dict[str, Any]:
    """Build the OpenAPI document of all dialects and pages, in their order."""
    plugin = MarshmallowPlugin(schema_name_resolver=schema_name)
    spec = APISpec(
        title="Flowledger",
        version=version("flowledger"),
        openapi_version="3.1.0",
        plugins=[plugin],
        info=INFO,
        servers=[{"url": "/"}],
    )
    for part in parts:
        _add_part(spec, part)
    whole = spec.to_dict()
    whole["info"] = {"title": spec.title, "version": spec.version, **whole["info"]}
    return {name: whole[name] for name in _PARTS if name in whole}


def render(document: Mapping[str, Any]) -> str:
    """Write a document as YAML; equal documents give equal bytes."""
    return yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100)


def schema_name(schema: type[Schema] | Schema) -> str:
    """Name a schema in the document: its class's name without a trailing ``Schema``."""
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema") or kind.__name__


class _PlainDumper(yaml.SafeDumper):
    """Writes no anchors: repeated parts are written out."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _add_part(spec: APISpec, part: Documented) -> None:
    about = part.description
    spec.tag({"name": about.title, "description": about.text})
    for name, scheme in about.security.items():
        spec.components.security_scheme(name, dict(scheme))
    for route, path, operation_id in _documented(part):
        operation = _operation(route, path, part)
        operation["operationId"] = operation_id
        spec.path(path=path, operations={route.method.lower(): operation})


def _documented(part: Documented) -> Iterator[tuple[Route, str, str]]:
    taken: set[str] = set()
    for route in part.routes:
        if _SPANNING.match(route.path) or route.enabled_if is not None:
            continue
        base = name = f"{part.name}_{getattr(route.handler, '__name__', 'call')}"
        count = 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        yield route, _VARIABLE.sub(r"{\1}", route.path), name


def _operation(route: Route, path: str, part: Documented) -> dict[str, Any]:
    described: dict[str, Any] = getattr(route.handler, "__apispec__", {})
    summary = (route.handler.__doc__ or "").strip().partition("\n")[0]
    parameters = [
        *_parameters(described),
        *copy.deepcopy(described.get("parameters", [])),
        *(copy.deepcopy(AS_OF_PARAMETERS) if _supports_as_of(route) else ()),
    ]
    body = _request_body(described)
    operation: dict[str, Any] = {
        "tags": [part.description.title],
        "summary": described.get("summary") or summary,
        "description": described.get("description"),
        "parameters": _with_path_variables(parameters, path),
        "requestBody": body,
        "responses": _responses(described, route, part, parametrised=bool(parameters or body)),
        "security": [{name: []} for name in part.description.security] if route.right else [],
    }
    return {key: value for key, value in operation.items() if value or key == "security"}


def _supports_as_of(route: Route) -> bool:
    return route.method == "GET" and route.right is not None and route.supports_as_of


def _parameters(described: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in described.get("schemas", ()):
        if location := _LOCATIONS.get(each["location"]):
            yield {"in": location, "schema": each["schema"]}


def _with_path_variables(parameters: list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    path_names = {p.get("name") for p in parameters if p["in"] == "path"}
    for parameter in parameters:
        if parameter["in"] == "path" and "name" not in parameter:
            path_names.update(f.data_key or n for n, f in parameter["schema"].fields.items())
    plain = [
        {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(path)
        if name not in path_names
    ]
    return sorted(plain + parameters, key=lambda each: _ORDER.index(each["in"]))


def _request_body(described: Mapping[str, Any]) -> dict[str, Any] | None:
    for each in described.get("schemas", ()):
        if each["location"] == "json":
            media: dict[str, Any] = {"schema": each["schema"]}
            example = {k: v for k, v in each["example"].items() if k != "add_to_refs"}
            if example:
                media["example"] = example
            required = bool(each["options"]["required"])
            return {"required": required, "content": {"application/json": media}}
    return None


def _responses(
    described: Mapping[str, Any], route: Route, part: Documented, *, parametrised: bool
) -> dict[str, Any]:
    produces = described.get("produces", ["application/json"])
    refusal = [part.description.error_type]
    found = {
        str(code): _response(each, produces if int(code) < HTTPStatus.BAD_REQUEST else refusal)
        for code, each in described.get("responses", {}).items()
    }
    for code in _common_errors(route, parametrised=parametrised):
        if str(code) not in found:
            answer = {"schema": part.description.error, "description": ERRORS[code]}
            found[str(code)] = _response(answer, refusal)
    return dict(sorted(found.items()))


def _common_errors(route: Route, *, parametrised: bool) -> Iterator[int]:
    variables = _VARIABLE.search(route.path) is not None
    if parametrised or variables:
        yield 400
    if route.right:
        yield from (401, 403)
    if variables:
        yield 404
    if route.method in ("POST", "PUT", "PATCH"):
        yield 413
    if route.right:
        yield 503


def _response(described: Mapping[str, Any], media_types: Iterable[str]) -> dict[str, Any]:
    answer = {"description": described.get("description") or "Done."}
    if headers := described.get("headers"):
        answer["headers"] = headers
    if "content" in described:
        answer["content"] = copy.deepcopy(described["content"])
    elif "schema" in described:
        answer["content"] = {name: {"schema": described["schema"]} for name in media_types}
    return answer
