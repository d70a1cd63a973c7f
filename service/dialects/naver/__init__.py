"""NAVER Cloud Platform Data Flow: runs as a paginated list of a workflow's executions."""

from __future__ import annotations

from typing import Final

from service.dialect import Description, Dialect
from service.dialects.naver.auth import SIGNATURE, authenticate
from service.dialects.naver.errors import response
from service.dialects.naver.ids import flow_ids, run_ids
from service.dialects.naver.routes import ROUTES, claims
from service.dialects.naver.schemas import NaverError

DIALECT: Final = Dialect(
    name="naver",
    description=Description(
        title="NAVER Data Flow",
        text="Executions of workflows as NAVER Cloud Platform Data Flow answers them. A request is"
        " signed (signature v2): `x-ncp-apigw-timestamp` and `x-ncp-iam-access-key` stand beside"
        " the signature.",
        security={"naverSignature": {"type": "apiKey", "in": "header", "name": SIGNATURE}},
        error=NaverError,
    ),
    routes=ROUTES,
    claims=claims,
    authenticate=authenticate,
    error=response,
    flow_ids=flow_ids,
    run_ids=run_ids,
)
