"""Apache Airflow's stable REST API, read-only: a run as a DAG run with its task instances."""

from __future__ import annotations

from typing import Final

from service.dialect import Description, Dialect
from tests.dialects.sixth.airflow.auth import authenticate
from tests.dialects.sixth.airflow.errors import PROBLEM_JSON, response
from tests.dialects.sixth.airflow.ids import flow_ids, run_ids
from tests.dialects.sixth.airflow.routes import ROUTES, claims
from tests.dialects.sixth.airflow.schemas import AirflowError

DIALECT: Final = Dialect(
    name="airflow",
    description=Description(
        title="Apache Airflow",
        text="DAG runs and their task instances as Airflow's stable REST API answers them.",
        security={"airflowBasic": {"type": "http", "scheme": "basic"}},
        error=AirflowError,
        error_type=PROBLEM_JSON,
    ),
    routes=ROUTES,
    claims=claims,
    authenticate=authenticate,
    error=response,
    flow_ids=flow_ids,
    run_ids=run_ids,
)
