"""The schema change of docs/how-to/change-a-read-model.md, run through a whole release."""

import asyncio
import shutil
import sys
from importlib import import_module
from inspect import iscoroutinefunction

import pytest

from events import types
from events.database import connect_pool
from events.upcasters import UPCASTERS
from projections.flow_versions import FlowVersions
from projections.live.checkpoints import Checkpoints
from projections.live.runner import Runner
from projections.read_models.executions import PROJECTION as SCHEMA_1
from projections.read_models.executions import read
from projections.rebuild.start import resume
from projections.registry import _modules, create_schemas, discover, serving_numbers
from projections.serving.version_router import VersionRouter
from tests.docs.pages import files
from tests.projections.conftest import opened, working
from tests.projections.histories import TENANT, run_id
from tests.projections.rebuild.conftest import told
from tests.projections.test_runner import busy
from tests.waiting import until

FILES = files("how-to/change-a-read-model.md")


@pytest.fixture
def priority(tmp_path, monkeypatch):
    """The package that the page makes, with the other files of schema version 1."""
    shutil.copytree(SCHEMA_1.folder, tmp_path / "priority", ignore=lambda *_: ["__pycache__"])
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(types.SCHEMA_VERSIONS, types.RUN_QUEUED, 1)
    yield import_module("priority")
    UPCASTERS.clear()
    for module in [name for name in sys.modules if name.partition(".")[0] == "priority"]:
        del sys.modules[module]


def test_page_has_every_file_of_the_change():
    assert sorted(FILES) == [
        "priority/__init__.py",
        "priority/apply.py",
        "priority/create.sql",
        "priority/events.py",
        "priority/previous.py",
        "priority/read.py",
        "priority/store.sql",
    ]


def test_every_schema_version_has_the_queries_of_the_newest(priority):
    for module in [priority, *_modules()]:
        asked = _questions(module.PROJECTION)
        assert all(asked <= _questions(previous) for previous in module.PREVIOUS)


def _questions(projection) -> set[str]:
    found = vars(projection.reads).items()
    return {name for name, each in found if iscoroutinefunction(each)}


async def test_old_version_serves_until_the_new_one_is_ready_then_all_processes_switch(
    able_url, request
):
    history = busy(40)
    async with opened(able_url) as before, before.applying():
        await before.reach(await before.write(history))  # an old release's events and tables
    new = request.getfixturevalue("priority")
    others = [each for each in discover() if each.name != "executions"]
    known = [*new.PREVIOUS, new.PROJECTION, *others]
    assert await create_schemas(able_url, [new.PROJECTION]) == [
        "rebuild of executions in schema version 2"
    ]

    async with opened(able_url) as ledger, routing(ledger, known) as newer:
        async with routing(ledger, discover()) as older:
            runners = [
                Runner(ledger.feed, ledger.database, projections, FlowVersions(ledger.log))
                for projections in (known, discover())
            ]
            async with working(runners[0].run()), working(runners[1].run()):
                document = await _read(newer, new.read.by_run_ids)
                assert (newer.version("executions").number, document["priority"]) == (1, 0)

                await asyncio.wait_for(resume(able_url, "executions", known), 60)
                newer.notify()
                older.notify()
                await until(lambda: newer.version("executions").number == 2)
                assert (await _read(newer, new.read.by_run_ids))["priority"] == 0
                assert older.version("executions").number == 1
                assert "priority" not in await _read(older, read.by_run_ids)

                head = await _queue_with_priority(ledger, history)
                await until(lambda: runners[1].positions.get("executions_v1", 0) >= head)
                await until(lambda: runners[0].positions.get("executions_v2", 0) >= head)
                found = await ledger.pool.fetch(
                    "select priority, count(*) from executions_v2.executions group by 1 order by 1"
                )
        assert [tuple(row) for row in found] == [(0, 40), (5, 1)]
        assert (await serving_numbers(ledger.pool))["executions"] == 2
        assert [each["type"] for each in await told(ledger)] == [
            "RebuildStarted",
            "RebuildFinished",
        ]


def routing(ledger, known):
    return _Opened(ledger.url, known)


class _Opened:
    """A process's `VersionRouter`, followed while the block runs."""

    def __init__(self, url, known) -> None:
        self._url, self._known = url, known

    async def __aenter__(self) -> VersionRouter:
        self._registry_pool = await connect_pool(self._url, max_size=2)
        self._router = VersionRouter(
            self._registry_pool,
            Checkpoints(self._registry_pool),
            self._known,
        )
        await self._router.open()
        self._following = working(self._router.run())
        await self._following.__aenter__()
        return self._router

    async def __aexit__(self, *_) -> None:
        await self._following.__aexit__(None, None, None)
        await self._router.close()
        await self._registry_pool.close()


async def _read(router, question) -> dict:
    found = await router.query(question, [(TENANT, run_id(1))])
    return found.rows[TENANT, run_id(1)]


async def _queue_with_priority(ledger, history) -> int:
    event = history.queue(900, priority=5)
    history.events[-1] = event._replace(schema_version=2)
    return await ledger.write(history, after=len(history.events) - 1)
