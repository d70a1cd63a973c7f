"""The routes of our own API."""

from __future__ import annotations

from service.access import Right
from service.api import events, metrics, projections, runs
from service.dialect import Handler, Route

RUN = "/v1/runs/{run_id:[^/]+}"
PROJECTION = "/v1/projections/{name:[^/]+}"


def _of_all_tenants(path: str, handler: Handler) -> Route:
    # A read model is that of all tenants: no administrator of one of them may change it.
    return Route("POST", PROJECTION + path, handler, Right.ADMINISTER, ledger_only=True)


ROUTES = (
    Route("POST", "/v1/runs", runs.start, Right.START),
    Route("GET", "/v1/runs", runs.list_runs),
    Route("GET", RUN, runs.read),
    Route("POST", RUN + "/cancel", runs.cancel, Right.CANCEL),
    Route("POST", RUN + "/retry", runs.retry, Right.START),
    Route("GET", RUN + "/events", events.history),
    Route("POST", RUN + "/events", runs.report, Right.REPORT),
    Route("GET", RUN + "/history", events.run_history),
    Route("POST", RUN + "/corrections", events.correct, Right.ADMINISTER),
    Route("GET", "/v1/audit", events.audit_trail, Right.AUDIT),
    Route("GET", "/v1/flows", runs.flows),
    Route("GET", "/v1/events", events.events),
    Route("GET", "/metrics", metrics.metrics, supports_as_of=False),
    Route(
        "GET",
        "/v1/projections",
        projections.list_projections,
        Right.ADMINISTER,
        supports_as_of=False,
    ),
    _of_all_tenants("/retry", projections.retry_event),
    _of_all_tenants("/skip", projections.skip_event),
    _of_all_tenants("/rebuild", projections.start_rebuild),
    Route(
        "GET",
        PROJECTION + "/rebuild",
        projections.rebuild_progress,
        Right.ADMINISTER,
        supports_as_of=False,
    ),
    _of_all_tenants("/rebuild/cancel", projections.cancel_rebuild),
    _of_all_tenants("/rollback", projections.roll_back),
)
