"""Walks the table of a dialect's routes, our own API's too: each route with calls that reach it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from service.api.dialect import DIALECT as OWN
from service.dialect import Dialect, Route
from tests.dialects.suite import DIALECTS, Call, Vendor, vendor

READ_MODEL = "executions"
FACT = {"event_id": "walked", "type": "RunStarted", "data": {}}
BODIES = {
    "/v1/runs": lambda run: {"flow": run["flow"]["fullname"]},
    "/events": lambda _: {"events": [FACT]},
    "/corrections": lambda run: {"position": run["position"], "reason": "wrong"},
}
"""What a POST of our own API says, by the end of its path; others need no body."""


class OwnApi:
    """A client of /v1, in the part of a vendor's that the walk needs."""

    def sign(self, call: Call, key: Any) -> Call:
        return call.having(Authorization=f"Bearer {key.token}")

    def check_error(self, answer: Any, call: Call) -> None:
        body = answer.json
        assert body["status"] == answer.status
        assert body["type"].startswith("urn:flowledger:problem:")
        assert body["instance"] == call.path

    def calls(self, run: Mapping[str, Any]) -> Iterable[Call]:
        for route in OWN.routes:
            if "{run_id" in route.path or (route.method == "POST" and "{" not in route.path):
                yield self._about(route, run)

    def _about(self, route: Route, run: Mapping[str, Any]) -> Call:
        call = Call(route.method, route.path.replace("{run_id:[^/]+}", run["run_id"]))
        bodies = (body for end, body in BODIES.items() if route.path.endswith(end))
        body = next(bodies, None) if route.method == "POST" else None
        return call if body is None else call.sending(body(run))


PARTS: Mapping[str, Dialect] = {**DIALECTS, OWN.name: OWN}


def client(name: str) -> Vendor:
    return OwnApi() if name == OWN.name else vendor(name)


def of_the_ledger(route: Route) -> bool:
    """Whether a route is about a read model, which is no tenant's."""
    return route.path.startswith("/v1/projections/{name")


def of_the_asker(route: Route) -> bool:
    """Whether a route is about the credential that asks, and nothing else."""
    return route.ledger_wide and "{" not in route.path


async def unfilled(name: str, run: Mapping[str, Any]) -> list[str]:
    """Name the routes that are about something and that no call of a client fills.

    Lists have nothing to fill; an open route without a variable tells nothing of anybody, and
    OPTIONS tells of the address alone.
    """
    application = web.Application()
    routes = {
        application.router.add_route(route.method, route.path, route.handler): route
        for route in PARTS[name].routes
    }
    reached = set()
    for call in client(name).calls(run):
        request = make_mocked_request(call.method, call.target)
        reached.add((await application.router.resolve(request)).route)
    return [
        f"{route.method} {route.path}"
        for added, route in routes.items()
        if ("{" in route.path or (route.right is not None and route.method != "GET"))
        and route.method != "OPTIONS"
        and added not in reached
        and not of_the_ledger(route)
        and not of_the_asker(route)
        # The same behind a doubled slash, in an address that no mocked request can have.
        and not route.path.startswith("//")
        and route.enabled_if is None
    ]


def lists(name: str, run: Mapping[str, Any]) -> Iterable[Call]:
    """Every read that names nothing, neither in its path nor, as clients ask it, in its query."""
    filled = {call.path for call in client(name).calls(run) if "?" in call.target}
    for route in PARTS[name].routes:
        named = "{" in route.path or route.path in filled
        if route.method == "GET" and route.right is not None and not named:
            yield Call("GET", route.path)
