"""Etlworks Integrator: start a flow, read the status of its executions."""

from __future__ import annotations

from typing import Final

from service.dialect import Description, Dialect
from service.dialects.etlworks.auth import authenticate
from service.dialects.etlworks.errors import response
from service.dialects.etlworks.ids import flow_ids, run_ids
from service.dialects.etlworks.routes import ROUTES, claims
from service.dialects.etlworks.schemas import EtlworksError

DIALECT: Final = Dialect(
    name="etlworks",
    description=Description(
        title="Etlworks",
        text="Start a flow and read the status of its executions, as Etlworks Integrator answers.",
        security={"etlworksBearer": {"type": "http", "scheme": "bearer"}},
        error=EtlworksError,
    ),
    routes=ROUTES,
    claims=claims,
    authenticate=authenticate,
    error=response,
    flow_ids=flow_ids,
    run_ids=run_ids,
)
