"""The samples of the dialects: a request, the vendor's answer to it, and where that is from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from service.dialect import Dialect, Route
from service.http.openapi.builder import document
from tests.dialects.suite import DIALECTS, STATES, Answer, Call, folder

NEEDED = {"source", "checked", "role", "request", "response", "fixed"}
OPTIONAL = {"state", "flow", "opaque"}


class NoSample(Exception):
    """What is written there is no sample: the message says why."""


@dataclass(frozen=True)
class Sample:
    """A sample of a vendor; ``fixed`` are the members of the answer that are always the same.

    ``opaque`` are those that no client looks into, and that may be anything of their type.
    """

    vendor: str
    name: str
    content: Mapping[str, Any]

    def __post_init__(self) -> None:
        if problem := next(_problems(self.content), ""):
            raise NoSample(f"{self.vendor}/samples/{self.name}: {problem}")

    @property
    def status(self) -> int:
        return self.content["response"]["status"]

    @property
    def media_type(self) -> str:
        errors = DIALECTS[self.vendor].description.error_type
        given = self.content["response"].get("type", "application/json")
        return errors if self.status >= 400 and "type" not in self.content["response"] else given

    def call(self, ids: Mapping[str, Any]) -> Call:
        request = self.content["request"]
        call = Call(request["method"], filled(request["target"], ids), headers=request["headers"])
        if "body" not in request:
            return call
        return call.sending(json.loads(filled(json.dumps(request["body"]), ids)))

    def check(self, answer: Answer, ids: Mapping[str, Any]) -> None:
        """Assert that an answer is the sample's: status, type, shape, and all that is fixed."""
        assert answer.status == self.status, answer.body
        assert answer.headers["Content-Type"].partition(";")[0] == self.media_type
        body = self.content["response"]["body"]
        if "json" not in self.media_type:
            assert answer.body.decode() == body
            return
        assert shape(answer.json) == shape(body)
        if not isinstance(body, dict):
            assert not self.content["fixed"]
            assert not body or isinstance(body, list) or answer.json == body
            return
        for member in self.content["fixed"]:
            assert answer.json[member] == body[member], member
        for member in self._echoed(body, ids):
            assert answer.json[member] == ids[member], member

    def _echoed(self, body: Mapping[str, Any], ids: Mapping[str, Any]) -> Iterable[str]:
        """Requested ids that the answer to a read must contain."""
        request = self.content["request"]
        if request["method"] == "GET" and self.status < 400:
            requested = (name for name in ids if f"{{{name}}}" in request["target"])
            yield from (name for name in requested if body.get(name) is not None)


def _problems(content: Mapping[str, Any]) -> Iterable[str]:
    if missing := NEEDED - content.keys():
        yield f"it has no {', '.join(sorted(missing))}"
    if unknown := content.keys() - NEEDED - OPTIONAL:
        yield f"it has {', '.join(sorted(unknown))}, which nobody reads"
    if not isinstance(content["source"], str) or not content["source"].strip():
        yield "it does not say its source: a page of the vendor, or a product that was observed"
    if "flow" not in content and content.get("state") not in STATES:
        yield "it has neither a flow nor a state of a run that the suite can make"
    body = content["response"]["body"]
    if not isinstance(body, dict):
        return
    if missing := set(content["fixed"]) - body.keys():
        yield f"it fixes {', '.join(sorted(missing))}, which its own answer has not"
    telling = (value for name, value in body.items() if name not in content.get("opaque", ()))
    if not content["fixed"] and any(isinstance(value, str | bool) for value in telling):
        yield "it fixes nothing, so nearly any answer would do"


def shape(value: Any) -> Any:
    """The same value with a type in the place of everything that is no container."""
    match value:
        case dict():
            return {name: shape(inner) for name, inner in value.items()}
        case list():
            return [shape(inner) for inner in value]
        case _:
            return type(value).__name__


def filled(text: str, ids: Mapping[str, Any]) -> str:
    for kind, value in ids.items():
        # In a body an id that is a number stands as one.
        text = text.replace('"{' + kind + '}"', json.dumps(value))
        text = text.replace("{" + kind + "}", str(value))
    return text


def load(name: str, file: Path) -> Sample:
    return Sample(name, file.stem, json.loads(file.read_bytes()))


def files() -> list[tuple[str, Path]]:
    return [
        (name, file) for name in DIALECTS for file in sorted(folder(name).glob("samples/*.json"))
    ]


async def without_samples(dialect: Dialect, samples: Sequence[Sample]) -> list[str]:
    """Name the operations of a dialect that have no success or, where they refuse, no error."""
    application = web.Application()
    routes = {
        application.router.add_route(route.method, route.path, route.handler): route
        for route in dialect.routes
    }
    seen = set()
    for sample in samples:
        recorded = sample.content["request"]
        target = recorded["target"].replace("{", "").replace("}", "")
        request = make_mocked_request(recorded["method"], target)
        found = (await application.router.resolve(request)).route
        if found in routes:
            seen.add((_operation(routes[found]), sample.status < 400))
    operations = _operations(dialect)
    wanted = {(name, True) for name in operations}
    wanted |= {(name, False) for name, refuses in operations.items() if refuses}
    return [
        f"{name} has no sample of {'a success' if good else 'an error'}"
        for name, good in sorted(wanted - seen)
    ]


def _operation(route: Route) -> str:
    return f"{route.method} {route.path}"


def _operations(dialect: Dialect) -> dict[str, bool]:
    """Whether each operation refuses anything; only those of the document, which all others equal.

    OPTIONS is left out: its answer is a header.
    """
    paths = document([dialect])["paths"]
    found = {}
    for route in dialect.routes:
        operation = paths.get(_plain(route.path), {}).get(route.method.lower())
        if operation is not None and route.method != "OPTIONS":
            found[_operation(route)] = any(int(code) >= 400 for code in operation["responses"])
    return found


def _plain(path: str) -> str:
    """The path as the document has it: variables without their patterns."""
    plain, depth, named = [], 0, False
    for character in path:
        depth += (character == "{") - (character == "}")
        named = depth > 0 and (named or character == ":")
        if not named:
            plain.append(character)
    return "".join(plain)
