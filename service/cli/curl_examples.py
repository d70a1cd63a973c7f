"""Curl commands that read one run through each API, ready to paste into a shell."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.auth.credentials import NewCredential
from service.dialects.naver.auth import sign


@dataclass(frozen=True, slots=True)
class Example:
    """One command: the name of the API and the shell line."""

    title: str
    shell: str


def examples(base: str, key: NewCredential, run: Mapping[str, Any]) -> list[Example]:
    """Write a command for each API; ``run`` is as ``GET /v1/runs/{run_id}`` shows it."""
    ids: Mapping[str, Mapping[str, Any]] = run["vendor_ids"]
    return [
        Example("own API", _get(f"{base}/v1/runs/{run['run_id']}", _bearer(key))),
        Example("Etlworks", _get(base + _etlworks(ids["etlworks"]), _bearer(key))),
        Example(
            "InVision", _get(base + _invision(ids["invision"]), f"-H 'x-api-key: {key.token}'")
        ),
        Example(
            "Celery Director",
            _get(base + _director(ids["director"]), f"-u {key.username}:{key.password}"),
        ),
        Example("NAVER Data Flow", naver_example(base, key, _naver(ids["naver"]))),
        Example("Incorta", _get(base + _incorta(run["tenant"], ids["incorta"]), _bearer(key))),
    ]


def _get(url: str, credential: str) -> str:
    return f"curl -s {credential} '{url}'"


def _bearer(key: NewCredential) -> str:
    return f"-H 'Authorization: Bearer {key.token}'"


def _etlworks(ids: Mapping[str, Any]) -> str:
    return f"/rest/v1/executions/{ids['flowId']}?auditId={ids['auditId']}"


def _invision(ids: Mapping[str, Any]) -> str:
    return f"/InVision/api/pub/v1/dataflows/{ids['dataflowId']}/runs/{ids['runId']}/status"


def _director(ids: Mapping[str, Any]) -> str:
    return f"/api/workflows/{ids['id']}"


def _naver(ids: Mapping[str, Any]) -> str:
    return f"/api/v1/workflows/{ids['workflowId']}/executions?page=0&limit=5"


def _incorta(tenant: str, ids: Mapping[str, Any]) -> str:
    return f"/incorta/api/v2/{tenant}/load-plan/status/{ids['executionId']}?level=4"


def naver_example(base: str, key: NewCredential, uri: str) -> str:
    """Write a signed GET that openssl signs when it is pasted: a signature expires in five minutes.

    Source: api.ncloud-docs.com, common-ncpapi (signature v2).
    """
    if shutil.which("openssl") is None:
        now = str(int(time.time() * 1000))
        signature = sign("GET", uri, now, key.access_key, key.secret_key)
        return _get(base + uri, _headers(key, now, signature))
    signed = f"'GET {uri}\\n%s\\n{key.access_key}'"
    digest = f"openssl dgst -sha256 -hmac '{key.secret_key}' -binary | base64"
    return f'T=$(date +%s000); S=$(printf {signed} "$T" | {digest}); ' + _get(
        base + uri, _headers(key, "'$T'", "'$S'")
    )


def _headers(key: NewCredential, now: str, signature: str) -> str:
    return (
        f"-H 'x-ncp-apigw-timestamp: {now}' -H 'x-ncp-iam-access-key: {key.access_key}' "
        f"-H 'x-ncp-apigw-signature-v2: {signature}'"
    )
