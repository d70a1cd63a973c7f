"""Director's own user interface on our server, in a real browser: it does all that it does."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright, expect

from service import app
from service.access import Origin
from service.flows.definitions import load_definitions
from service.flows.registration import register
from service.http.connections import Runner
from service.metrics.requests import ConnectionCounts
from service.settings import OpenAccess
from tests.dialects.director.test_workflows import Desk
from tests.dialects.suite import Call

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("FLOWLEDGER_TEST_DIRECTOR_UI") or HERE.parents[3] / ".director-ui")


def missing():
    """What is missing to try it here; nothing where all is there."""
    if not (FOLDER / "static" / "user" / "vue.min.js").exists():
        return f"Director's user interface is not in {FOLDER}: run `make director-ui`"
    if shutil.which("chromium") is None:
        return "there is no chromium on PATH"
    return ""


PATIENCE_MS = 90_000
"""How long a browser that starts on a busy machine may take to show what is waited for."""


@dataclass
class Window:
    """A browser's page on a server, and a user of the API to look and to move things along."""

    page: Page
    url: str
    desk: Desk

    async def open(self, path):
        await self.page.goto(self.url + path)

    async def workflows(self):
        """The workflows there are, once the answers to what the page asked for are in."""
        await self.page.wait_for_load_state("networkidle")
        return self.desk.ask("GET", "/api/workflows").json


@pytest.fixture
async def window_on(server):
    """Open a window on a server of the user interface, open to all or not, with an empty tenant."""
    if reason := missing():
        pytest.skip(reason)
    tenant = f"window-{secrets.token_hex(4)}"
    key = server.run(_prepare(server.service, tenant))
    wrong, urls = [], []

    @asynccontextmanager
    async def window_on(*, opened):
        async with _served(server, tenant if opened else None) as url, _browser() as browser:
            pair = {"username": key.username, "password": key.password}
            page = await browser.new_page(http_credentials=None if opened else pair)
            page.set_default_timeout(PATIENCE_MS)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("request", lambda request: urls.append(request.url))
            yield Window(page, url, Desk(server, key))
            assert [each for each in urls if not each.startswith(url)] == []

    yield window_on
    assert wrong == []


async def _prepare(service, tenant):
    await register(
        service.log,
        service.catalogue,
        tenant=tenant,
        definitions=load_definitions(HERE / "flows.yaml"),
        dialects=service.dialects,
        origin=Origin(actor="suite", source="cli"),
    )
    return await service.credentials.create(tenant=tenant, role="operator", name="window")


@asynccontextmanager
async def _browser():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def _served(server, opened_to):
    """The same service behind another door, with the user interface."""
    opened = None if opened_to is None else OpenAccess(opened_to, "operator")
    settings = replace(server.service.settings, director_open=opened, director_ui=FOLDER)
    service = replace(server.service, settings=settings)
    runner = Runner(app.build_app(service), ConnectionCounts(), shutdown_timeout=1)
    try:
        yield f"http://127.0.0.1:{server.run(_listen(runner))}"
    finally:
        server.run(runner.cleanup())


async def _listen(runner):
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner.addresses[0][1]


@pytest.fixture
async def window(window_on):
    async with window_on(opened=True) as window:
        yield window


async def _confirm(page, title):
    # The dialog before may still be fading.
    dialog = page.locator(".v-dialog", has_text=title)
    await dialog.get_by_role("button", name="Confirm").click()


async def test_workflows_are_listed_opened_started_relaunched_and_canceled(window):
    page = window.page

    # Started from the list of definitions, with a payload and a comment.
    await window.open("/#/definitions")
    row = page.locator("tr", has=page.locator("td", has_text="ETL"))
    await row.get_by_role("button").click()
    await page.get_by_label("Workflow comment").fill("by hand")
    await page.get_by_label("Fill the payload here :").fill('{"day": 1}')
    await page.get_by_role("button", name="Run", exact=True).click()
    await expect(page.get_by_text("Open workflow : ETL")).to_be_visible()
    (started,) = await window.workflows()
    assert (started["payload"], started["comment"]) == ({"day": 1}, "by hand")

    # Listed, newest first, and opened.
    window.desk.report(
        started,
        ("TaskStarted", "EXTRACT", {}),
        ("TaskSucceeded", "EXTRACT", {"result": {"rows": 3}}),
        ("TaskStarted", "TRANSFORM", {}),
        ("TaskFailed", "TRANSFORM", {"exception": "no such table", "traceback": "Traceback ..."}),
    )
    window.desk.start("RANDOMS", project="shop")
    await window.open("/")
    rows = page.locator("tr.pointer")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("shop.RANDOMS")
    await expect(rows.nth(1)).to_contain_text("by hand")
    await rows.nth(1).click()
    drawer = page.locator(".workflow")
    await expect(drawer).to_contain_text("shop.ETL")
    await expect(drawer).to_contain_text("error")
    await expect(drawer).to_contain_text("by hand")
    nodes = page.locator("svg.svg-main g.node")
    await expect(nodes).to_have_count(3)
    await expect(page.locator("svg.svg-main g.edgePath")).to_have_count(2)

    # Each task with its result or its error.
    await nodes.filter(has_text="TRANSFORM").click()
    await page.get_by_role("tab", name="Error").click()
    await expect(page.get_by_text("no such table")).to_be_visible()
    await nodes.filter(has_text="EXTRACT").click()
    await page.get_by_role("tab", name="Result").click()
    await expect(page.locator("code", has_text='"rows": 3')).to_be_visible()

    # Relaunched: another workflow, which it shows.
    relaunch, cancel, payload = (drawer.get_by_role("button").nth(n) for n in range(3))
    await relaunch.click()
    await _confirm(page, "Relaunch the workflow")
    await expect(drawer).to_contain_text("pending")
    again, *earlier = await window.workflows()
    assert len(earlier) == 2
    assert (again["payload"], again["comment"]) == ({"day": 1}, "by hand")

    # Canceled, and its payload shown.
    await cancel.click()
    await _confirm(page, "Cancel the workflow")
    await expect(drawer).to_contain_text("canceled")
    assert window.desk.show(again)["status"] == "canceled"
    await expect(nodes.filter(has_text="canceled")).to_have_count(3)
    await payload.click()
    await expect(page.locator("pre", has_text='"day": 1')).to_be_visible()


async def test_address_of_a_workflow_opens_it(window):
    workflow = window.desk.start("HOOKS", project="shop")
    window.desk.report(
        workflow,
        ("TaskStarted", "EXTRACT", {}),
        ("TaskFailed", "EXTRACT", {}),
        ("TaskStarted", "@failure/HOOK_KO", {}),
        ("TaskSucceeded", "@failure/HOOK_KO", {}),
    )
    for path in (f"/{workflow['id']}", f"/#/{workflow['id']}"):
        await window.open(path)
        await expect(window.page.locator(".workflow")).to_contain_text("shop.HOOKS")
        await expect(window.page.locator("svg.svg-main g.node")).to_have_count(2)
        hooks = window.page.locator("svg.svg-hooks g.node")
        await expect(hooks.filter(has_text="HOOK_KO")).to_have_count(1)


async def test_credential_entered_in_the_browser_is_accepted(window_on):
    async with window_on(opened=False) as window:
        window.desk.start("ETL", project="shop")
        assert window.desk.server.ask(Call("GET", "/api/workflows")).status == 401
        await window.open("/")
        await expect(window.page.locator("tr.pointer")).to_have_count(1)
