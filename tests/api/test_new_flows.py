"""A flow that another process has just registered can be started through every API at once."""

import pytest

from service.access import Origin
from service.apis import discover
from service.flows.catalogue import Catalogue
from service.flows.definitions import load_definitions
from service.flows.registration import register
from tests.dialects.serving import FLOWS
from tests.dialects.suite import STARTING, Call, vendor


async def load(log, tenant):
    """Register the suite's flows as another process does; nobody tells the server of it."""
    catalogue = Catalogue(log)
    await register(
        log,
        catalogue,
        tenant=tenant,
        definitions=load_definitions(FLOWS),
        dialects=discover(),
        origin=Origin("ada", "cli"),
    )
    return catalogue.find(tenant, "suite.ORDERS")


@pytest.mark.parametrize("name", [*STARTING, "api"])
def test_newly_loaded_flow_can_be_started_at_once(server, name):
    tenant = f"new-{name}"
    creating = server.service.credentials.create(tenant=tenant, role="operator", name="ops")
    key = server.run(creating)
    flow = server.run(load(server.service.log, tenant))
    run = {"tenant": tenant, "flow": {"fullname": flow.fullname}, "vendor_ids": flow.ids}
    if name == "api":
        call = Call("POST", "/v1/runs").having(Authorization=f"Bearer {key.token}")
        call = call.sending({"flow": flow.fullname})
    else:
        call = vendor(name).sign(vendor(name).start(run), key)
    answer = server.ask(call)
    assert answer.status in {200, 201, 202}, answer.body


def test_a_flow_from_before_a_dialect_is_shown_without_that_dialects_ids(server):
    tenant = "before-the-sixth"
    creating = server.service.credentials.create(tenant=tenant, role="operator", name="ops")
    key = server.run(creating)
    flow = server.run(load(server.service.log, tenant))
    call = Call("POST", "/v1/runs").having(Authorization=f"Bearer {key.token}")
    run = server.ask(call.sending({"flow": flow.fullname})).json
    assert "airflow" not in run["vendor_ids"]
    assert run["vendor_ids"]["etlworks"]["flowId"] == flow.ids["etlworks"]["flowId"]
