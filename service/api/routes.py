"""What our own API serves."""

from __future__ import annotations

from service.access import Right
from service.api import audit, log, projections, rebuilds, runs
from service.api import metrics as scraping
from service.dialect import Route

RUN = "/v1/runs/{run_id:[^/]+}"
PROJECTION = "/v1/projections/{name:[^/]+}"

ROUTES = (
    Route("POST", "/v1/runs", runs.start, Right.START),
    Route("GET", "/v1/runs", runs.listed),
    Route("GET", RUN, runs.read),
    Route("POST", RUN + "/cancel", runs.cancel, Right.CANCEL),
    Route("POST", RUN + "/retry", runs.retry, Right.START),
    Route("GET", RUN + "/events", log.history),
    Route("POST", RUN + "/events", runs.report, Right.REPORT),
    Route("GET", RUN + "/history", audit.run_history),
    Route("POST", RUN + "/corrections", audit.correct, Right.ADMINISTER),
    Route("GET", "/v1/audit", audit.audit_trail, Right.AUDIT),
    Route("GET", "/v1/flows", log.flows),
    Route("GET", "/v1/events", log.events),
    Route("GET", "/metrics", scraping.metrics, supports_as_of=False),
    Route("GET", "/v1/projections", projections.listed, Right.ADMINISTER, supports_as_of=False),
    Route("POST", PROJECTION + "/retry", projections.retry, Right.ADMINISTER),
    Route("POST", PROJECTION + "/skip", projections.skip, Right.ADMINISTER),
    Route("POST", PROJECTION + "/rebuild", rebuilds.start, Right.ADMINISTER),
    Route(
        "GET", PROJECTION + "/rebuild", rebuilds.progress, Right.ADMINISTER, supports_as_of=False
    ),
    Route("POST", PROJECTION + "/rebuild/cancel", rebuilds.cancel, Right.ADMINISTER),
    Route("POST", PROJECTION + "/rollback", rebuilds.roll_back, Right.ADMINISTER),
)
