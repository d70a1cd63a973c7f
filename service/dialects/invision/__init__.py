"""Profitbase InVision: start a data flow, read the status of its runs."""

from __future__ import annotations

from typing import Final

from service.dialect import Description, Dialect
from service.dialects.invision.auth import authenticate
from service.dialects.invision.errors import response
from service.dialects.invision.ids import flow_ids, run_ids
from service.dialects.invision.routes import ROUTES, claims
from service.dialects.invision.schemas import InvisionError

DIALECT: Final = Dialect(
    name="invision",
    description=Description(
        title="InVision",
        text="Start a data flow and read the status of its runs, as Profitbase InVision answers.",
        security={
            "invisionHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "invisionQuery": {"type": "apiKey", "in": "query", "name": "api_key"},
        },
        error=InvisionError,
    ),
    routes=ROUTES,
    claims=claims,
    authenticate=authenticate,
    error=response,
    flow_ids=flow_ids,
    run_ids=run_ids,
)
