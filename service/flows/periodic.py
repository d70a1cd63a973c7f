"""When a flow starts by itself, as its file says it: read and checked, kept as written."""

from __future__ import annotations

from typing import Any

from service.flows import payloads
from service.flows.errors import Diagnostics, YamlPath
from service.flows.schedule import kind_of, schedule_of


def check_periodic(
    value: Any,  # noqa: ANN401 - any JSON value
    location: YamlPath,
    diagnostics: Diagnostics,
    schema: str | None = None,
) -> None:
    """Check `periodic`: one schedule, and perhaps a payload, which must fit the flow's schema.

    ``schema`` is the JSON text of that schema. A run that starts without one has an empty payload.
    """
    try:
        kind, _ = kind_of(value)
    except ValueError as error:
        diagnostics.add(location, f"periodic {error}")
        return
    try:
        schedule_of(value)
    except ValueError as error:
        diagnostics.add((*location, kind), f"periodic: {error}")
    _check_payload(value.get("payload", {}), (*location, "payload"), diagnostics, schema)


def _check_payload(
    payload: object, location: YamlPath, diagnostics: Diagnostics, schema: str | None
) -> None:
    if not isinstance(payload, dict):
        diagnostics.add(location, "periodic: payload must be a mapping")
        return
    for error in payloads.errors_of(schema, payload):
        diagnostics.add(location, f"periodic: the payload does not fit the flow's schema: {error}")
