"""Handlers of Etlworks' authentication API, which issues short-lived tokens."""

from __future__ import annotations

from aiohttp import web

from service.access import Principal
from service.dialects.etlworks import auth, parsing, schemas
from service.http.messages import json_response
from service.http.openapi.decorators import match_info_schema, request_schema, response_schema
from service.runtime import SERVICE


@request_schema(schemas.EtlworksLogin)
@response_schema(schemas.EtlworksToken, 200, description="A token for this credential")
@response_schema(schemas.EtlworksError, 401, description="Login or password is wrong")
@response_schema(schemas.EtlworksError, 415, description="The body is not JSON")
@response_schema(schemas.EtlworksError, 503, description="Try again later")
async def issue(request: web.Request) -> web.StreamResponse:
    """Issue a token for the username and password of a credential."""
    login = await parsing.login(request)
    credentials = request.app[SERVICE].credentials
    principal = await credentials.by_password(login.username, login.password)
    return _token(request, principal)


@response_schema(schemas.EtlworksToken, 200, description="A fresh token")
async def refresh(request: web.Request) -> web.StreamResponse:
    """Issue a fresh token in the same tenant; the present one stays valid."""
    return _token(request, auth.require_reader(request))


@match_info_schema(schemas.EtlworksTenantPath)
@response_schema(schemas.EtlworksToken, 200, description="A token in that tenant")
async def switch(request: web.Request) -> web.StreamResponse:
    """Issue a token in another tenant, if the key is ledger-wide, or in its own."""
    principal = auth.require_reader(request)
    credentials = request.app[SERVICE].credentials
    return _token(request, credentials.switch_tenant(principal, request.match_info["tenantId"]))


def _token(request: web.Request, principal: Principal) -> web.Response:
    token = request.app[SERVICE].credentials.issue_token(principal)
    return json_response({"token": token}, headers={"Cache-Control": "no-store"})
