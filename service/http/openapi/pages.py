"""The pages of the service itself: health, openapi.yaml, and /docs for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from marshmallow import Schema

from service.dialect import Description, Dialect, Route
from service.http.openapi import health
from service.http.openapi.builder import Documented, document, render
from service.http.openapi.decorators import docs

_PAGE: Final = Path(__file__).with_suffix(".html")
_PLACE: Final = "<!-- operations -->"
_PUBLIC: Final = {"Cache-Control": "no-cache"}
"""Anybody may see the pages, and any cache may keep them: it asks whether they still hold."""

_SELF_CONTAINED: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class Pages:
    """The routes that are open to all and belong to no dialect."""

    name = "service"
    description = Description(
        title="Service",
        text="Health and these documents; open to all.",
        security={},
        error=Schema,
    )

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._parts: tuple[Documented, ...] = (*dialects, self)

    @property
    def routes(self) -> Sequence[Route]:
        """The routes of the pages."""
        return (
            *health.ROUTES,
            Route("GET", "/openapi.yaml", self.openapi, None),
            Route("GET", "/docs", self.operations, None),
        )

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document of all routes."""
        return document(self._parts)

    @cached_property
    def openapi_yaml(self) -> str:
        """The text of openapi.yaml."""
        return render(self.document)

    @cached_property
    def operations_html(self) -> str:
        """The page /docs, which loads nothing from other servers."""
        return _PAGE.read_text("utf-8").replace(_PLACE, "\n".join(_sections(self.document)))

    @docs(
        summary="This document",
        responses={
            "200": {
                "description": "OpenAPI 3.1 as YAML.",
                "content": {"application/yaml": {"schema": {"type": "string"}}},
            }
        },
    )
    async def openapi(self, _request: web.Request) -> web.StreamResponse:
        """Serve openapi.yaml."""
        return web.Response(
            text=self.openapi_yaml, content_type="application/yaml", headers=_PUBLIC
        )

    @docs(
        summary="The operations, for people",
        responses={
            "200": {
                "description": "A web page.",
                "content": {"text/html": {"schema": {"type": "string"}}},
            }
        },
    )
    async def operations(self, _request: web.Request) -> web.StreamResponse:
        """Serve the page of operations."""
        return web.Response(
            text=self.operations_html, content_type="text/html", headers=_PUBLIC | _SELF_CONTAINED
        )


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>\n<p>{escape(tag['description'])}</p>"
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if tag["name"] in operation["tags"]:
                    yield _operation(method, path, operation)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(map(_parameter, operation.get("parameters", ())))
    responses = "".join(
        f"<tr><td><code>{code}</code></td><td>{escape(each['description'])}</td></tr>"
        for code, each in operation.get("responses", {}).items()
    )
    return (
        f'<details><summary><span class="method">{method.upper()}</span> '
        f'<code>{escape(path)}</code> <span class="says">{escape(operation.get("summary", ""))}'
        f"</span></summary>\n<p>{escape(operation.get('description', ''))}</p>"
        f"<table>{parameters}</table>\n<table>{responses}</table></details>"
    )


def _parameter(parameter: Mapping[str, Any]) -> str:
    need = "required" if parameter.get("required") else "optional"
    says = parameter.get("description") or parameter.get("schema", {}).get("description", "")
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code></td>"
        f"<td>{escape(parameter['in'])}, {need}</td><td>{escape(says)}</td></tr>"
    )
