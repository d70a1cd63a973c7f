"""Typed decorators of aiohttp-apispec, which describe a handler for openapi.yaml."""

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
    """Describe the JSON body of a request."""
    put = aiohttp_apispec.request_schema
    return cast("Decorator[Any]", put(schema, required=required, example=example))


def querystring_schema(schema: SchemaLike) -> Decorator[Any]:
    """Describe the query parameters, one per field."""
    return cast("Decorator[Any]", aiohttp_apispec.querystring_schema(schema))


def match_info_schema(schema: SchemaLike) -> Decorator[Any]:
    """Describe the path parameters, one per field, named as in the route."""
    return cast("Decorator[Any]", aiohttp_apispec.match_info_schema(schema))


def headers_schema(schema: SchemaLike) -> Decorator[Any]:
    """Describe the request headers, one per field."""
    return cast("Decorator[Any]", aiohttp_apispec.headers_schema(schema))


def response_schema(
    schema: SchemaLike, code: int = 200, *, description: str = ""
) -> Decorator[Any]:
    """Describe the response of a status code."""
    put = aiohttp_apispec.response_schema
    return cast("Decorator[Any]", put(schema, code, description=description))
