"""aiohttp-apispec's decorators with types: they put onto a handler what openapi.yaml says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import aiohttp_apispec
from aiohttp import web
from marshmallow import Schema

Described = TypeVar("Described", bound=Callable[..., Awaitable[web.StreamResponse]])
Decorator = Callable[[Described], Described]
SchemaLike = type[Schema] | Schema


def docs(**operation: object) -> Decorator[Any]:
    """Describe an operation: summary, description, parameters, responses, produces."""
    return cast("Decorator[Any]", aiohttp_apispec.docs(**operation))


def request_schema(
    schema: SchemaLike, *, required: bool = True, example: object = None
) -> Decorator[Any]:
    """Describe the JSON body that a call takes."""
    put = aiohttp_apispec.request_schema
    return cast("Decorator[Any]", put(schema, required=required, example=example))


def querystring_schema(schema: SchemaLike) -> Decorator[Any]:
    """Describe the parameters in the query: each field is one."""
    return cast("Decorator[Any]", aiohttp_apispec.querystring_schema(schema))


def match_info_schema(schema: SchemaLike) -> Decorator[Any]:
    """Describe the parameters in the path: each field is one, named as in the route."""
    return cast("Decorator[Any]", aiohttp_apispec.match_info_schema(schema))


def headers_schema(schema: SchemaLike) -> Decorator[Any]:
    """Describe the headers that a call reads: each field is one."""
    return cast("Decorator[Any]", aiohttp_apispec.headers_schema(schema))


def response_schema(
    schema: SchemaLike, code: int = 200, *, description: str = ""
) -> Decorator[Any]:
    """Describe one answer of an operation, by its status code."""
    put = aiohttp_apispec.response_schema
    return cast("Decorator[Any]", put(schema, code, description=description))
