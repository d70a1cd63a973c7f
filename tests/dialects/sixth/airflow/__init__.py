"""Apache Airflow's stable REST API, read-only: a run as a DAG run with its task instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from service.access import Principal
from service.dialect import Description, Route
from service.flows.identity import FlowIdentity
from tests.dialects.sixth.airflow import auth, errors, ids, routes, schemas

if TYPE_CHECKING:
    from service.auth.credentials import Credentials
    from service.errors import ServiceError


class Airflow:
    """Airflow's API as a translation."""

    name = "airflow"
    description = Description(
        title="Apache Airflow",
        text="DAG runs and their task instances as Airflow's stable REST API answers them.",
        security={"airflowBasic": {"type": "http", "scheme": "basic"}},
        error=schemas.AirflowError,
        error_type=errors.PROBLEM_JSON,
    )

    def routes(self) -> Sequence[Route]:
        """List what is served."""
        return routes.ROUTES

    def claims(self, path: str) -> bool:
        """Tell whether an unknown path is Airflow's."""
        return routes.claims(path)

    async def authenticate(self, request: web.Request, credentials: Credentials) -> Principal:
        """Name who asks by HTTP Basic."""
        return await auth.principal(request, credentials)

    def error(self, _request: web.Request, error: ServiceError) -> web.Response:
        """Word a refusal."""
        return errors.problem(error)

    def flow_ids(self, flow: FlowIdentity, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settle the DAG's id."""
        return ids.flow_ids(flow, fixed)

    def run_ids(self, run: Mapping[str, Any]) -> Mapping[str, Any]:
        """Name the DAG run's id, its DAG's beside it."""
        return ids.run_ids(run)


DIALECT = Airflow()
