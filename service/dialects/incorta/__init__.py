"""Incorta's public API v2: execute and restart a load plan, read its executions' status."""

from __future__ import annotations

from typing import Final

from service.dialect import Description, Dialect
from service.dialects.incorta.auth import authenticate
from service.dialects.incorta.errors import response
from service.dialects.incorta.ids import flow_ids, run_ids
from service.dialects.incorta.routes import ROUTES, claims
from service.dialects.incorta.schemas import IncortaError

DIALECT: Final = Dialect(
    name="incorta",
    description=Description(
        title="Incorta",
        text="Execute or restart a load plan, read the status of its executions, as Incorta does.",
        security={"incortaBearer": {"type": "http", "scheme": "bearer"}},
        error=IncortaError,
    ),
    routes=ROUTES,
    claims=claims,
    authenticate=authenticate,
    error=response,
    flow_ids=flow_ids,
    run_ids=run_ids,
)
