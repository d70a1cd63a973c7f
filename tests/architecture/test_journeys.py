"""How many of our modules one journey goes through: what a reader opens to follow it to its end.

A real service answers real requests here; the modules whose functions run meanwhile are counted.
The read models are projected in a thread of their own, which stands for another process.
"""

import asyncio
import contextlib
import secrets
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.access import Origin
from service.flows.definitions import load_definitions
from service.flows.registration import register
from service.runtime import ProcessRole, Service
from service.serving import serving
from service.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGES = tuple(f"{ROOT / name}/" for name in ("service", "projections", "events"))
FLOW, OTHER_FLOW, TENANT = "example.EXTERNAL", "example.RANDOMS", "default"
READ_MODELS = ("dispatch", "executions", "listings", "load_plans", "workflows")
BESIDE = (
    "keys",
    "hold",
    "catalogue",
    "endings",
    "flips",
    "schedules",
    "retention",
    "reading",
    "rebuilding",
)
"""Background tasks that do other work than to answer a request or to apply an event."""

PASSED_THROUGH = {"service.ops.supervisor"}
"""Modules that a resumed task comes through, though nobody has to read them to follow it."""

# The aim is fewer: 30 for a start, 14 for a status read, 12 for an event. Lower
# these with each merge of modules. The own API shows every vendor's ids: a module per vendor.
MAX_MODULES_OF_A_START = {"etlworks": 39, "invision": 39, "director": 39, "incorta": 33, "api": 44}
MAX_MODULES_OF_A_STATUS_READ = {
    "etlworks": 21,
    "invision": 20,
    "director": 19,
    "incorta": 21,
    "api": 23,
}
MAX_MODULES_OF_AN_EVENT = dict.fromkeys(READ_MODELS, 19)


class Recorder:
    """Records the modules of ours whose functions run in one thread."""

    def __init__(self):
        self.modules = set()

    def begin(self):
        self.modules = set()
        sys.setprofile(self._record)

    def end(self):
        sys.setprofile(None)

    def _record(self, frame, event, _argument):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGES):
            parts = Path(file).relative_to(ROOT).with_suffix("").parts
            module = ".".join(part for part in parts if part != "__init__")
            self.modules |= {module} - PASSED_THROUGH


@dataclass
class Journeys:
    """A service whose requests are recorded, and the loop that projects for it."""

    service: Service
    client: aiohttp.ClientSession
    key: Any
    projecting: asyncio.AbstractEventLoop
    recorder: Recorder = field(default_factory=Recorder)

    async def call(self, method, path, body=None):
        auth = aiohttp.encode_basic_auth(self.key.username, self.key.password)
        bearer = {"Authorization": f"Bearer {self.key.token}", "x-api-key": self.key.token}
        headers = {"Authorization": auth} if path.startswith("/api/workflows") else bearer
        async with self.client.request(method, path, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def modules_of(self, method, path, body=None):
        self.recorder.begin()
        try:
            await self.call(method, path, body)
        finally:
            self.recorder.end()
        return self.recorder.modules

    async def modules_of_each(self, calls):
        return {api: await self.modules_of(*call) for api, call in calls.items()}

    async def modules_projecting(self, method, path, body):
        recorder = Recorder()
        await on(self.projecting, recorder.begin)
        await self.call(method, path, body)  # it answers when the read models show it
        await on(self.projecting, recorder.end)
        return recorder.modules


async def on(loop, function):
    async def call():
        function()

    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), loop))


@pytest.fixture
async def journeys(database_url):
    key = secrets.token_bytes(32)
    settings = Settings(database_url=database_url, port=0, secret_key=key, grace_s=0)
    with projecting(settings) as loop:
        async with serving(settings, {ProcessRole.API}) as (service, address):
            await register(
                service.log,
                service.catalogue,
                tenant=TENANT,
                definitions=load_definitions(ROOT / "examples"),
                dialects=service.dialects,
                origin=Origin(actor="tests", source="tests"),
            )
            key = await service.credentials.create(tenant=TENANT, role="operator", name="tester")
            await service.supervisor.stop(*BESIDE, "feed")
            async with aiohttp.ClientSession(address) as client:
                yield Journeys(service, client, key, loop)


@contextlib.contextmanager
def projecting(settings):
    """Project the read models in another thread while the block runs; gives its loop."""
    ready, loops, ended = threading.Event(), [], asyncio.Event()

    async def project():
        async with serving(settings, {ProcessRole.PROJECT}) as (service, _):
            await service.supervisor.stop(*BESIDE)
            loops.append(asyncio.get_running_loop())
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(project(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield loops[0]
        loops[0].call_soon_threadsafe(ended.set)
    finally:
        thread.join(30)


def starts(flow):
    ids = flow.ids
    dataflow = f"/api/pub/v1/dataflows/{ids['invision']['dataflowId']}"
    plan = {"loadPlanName": ids["incorta"]["loadPlanName"]}
    named = {"project": flow.project, "name": flow.name, "payload": {}}
    return {
        "etlworks": ("POST", f"/rest/v1/flows/{ids['etlworks']['flowId']}/run", {}),
        "invision": ("POST", f"{dataflow}/start"),
        "director": ("POST", "/api/workflows", named),
        "incorta": ("POST", f"/incorta/api/v2/{TENANT}/load-plan/execute", plan),
        "api": ("POST", "/v1/runs", {"flow": flow.fullname}),
    }


def status_reads(run):
    ids = run["vendor_ids"]
    etlworks, invision, incorta = ids["etlworks"], ids["invision"], ids["incorta"]
    dataflow = f"/api/pub/v1/dataflows/{invision['dataflowId']}"
    plan = f"/incorta/api/v2/{TENANT}/load-plan/status"
    return {
        "etlworks": (
            "GET",
            f"/rest/v1/executions/{etlworks['flowId']}?auditId={etlworks['auditId']}",
        ),
        "invision": ("GET", f"{dataflow}/runs/{invision['runId']}/status"),
        "director": ("GET", f"/api/workflows/{ids['director']['id']}"),
        "incorta": ("GET", f"{plan}/{incorta['executionId']}"),
        "api": ("GET", f"/v1/runs/{run['run_id']}"),
    }


async def test_a_start_and_a_status_read_go_through_few_modules(journeys):
    find = journeys.service.catalogue.find
    flow, other_flow = find(TENANT, FLOW), find(TENANT, OTHER_FLOW)
    run = await journeys.call(*starts(flow)["api"])
    other_run = await journeys.call(*starts(other_flow)["api"])
    # What a process does for its first request alone is no part of the journey.
    for call in (*starts(other_flow).values(), *status_reads(other_run).values()):
        await journeys.call(*call)

    started = await journeys.modules_of_each(starts(flow))
    await journeys.service.supervisor.stop()
    read = await journeys.modules_of_each(status_reads(run))

    assert beyond(MAX_MODULES_OF_A_START, started) == {}
    assert beyond(MAX_MODULES_OF_A_STATUS_READ, read) == {}


async def test_an_event_goes_into_a_read_model_through_few_modules(journeys):
    call = ("POST", "/v1/runs", {"flow": FLOW})
    await journeys.call(*call)

    # What runs each time: now and then a task that looks for other work runs at the same moment.
    modules = set.intersection(*[await journeys.modules_projecting(*call) for _ in range(3)])

    applied = {name: own_part(modules, name) for name in READ_MODELS}
    assert beyond(MAX_MODULES_OF_AN_EVENT, applied) == {}


def own_part(modules, read_model):
    others = {f"projections.read_models.{name}" for name in READ_MODELS} - {
        f"projections.read_models.{read_model}"
    }
    return {module for module in modules if module.rpartition(".")[0] not in others}


def beyond(bounds, found):
    """The journeys through more modules than their bound, with the modules."""
    return {
        name: (len(modules), sorted(modules))
        for name, modules in found.items()
        if len(modules) > bounds[name]
    }
