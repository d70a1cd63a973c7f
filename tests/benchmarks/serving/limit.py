"""The limit of all that is served: an aiohttp handler that answers and does nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.acceptance.ledger import free_port
from tests.benchmarks.load import request
from tests.benchmarks.serving.ours import START
from tests.benchmarks.serving.subject import Subject, always
from tests.benchmarks.stage import bare

NAME = "bare aiohttp"


@asynccontextmanager
async def serving(_admin: str, folder: Path, _filled: int) -> AsyncIterator[Subject]:
    async with bare(folder, free_port()) as program:
        listed = always(request("GET", "/runs?page=1"))
        read = always(request("GET", "/runs/1"))
        yield Subject(
            NAME,
            program.port,
            program.popen.pid,
            {
                "start": always(request("POST", "/runs", body=START)),
                "status": read,
                "status of many": read,
                "status of Etlworks": read,
                "list": listed,
                "list deep": listed,
                "list filtered": listed,
                "cancel": always(request("POST", "/runs/1/cancel")),
            },
        )
