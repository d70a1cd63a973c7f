"""Runs parts of the service for the verbs that do."""

from __future__ import annotations

from collections.abc import Collection

from service.cli.ledger import database
from service.ops.migrations import migrate_all
from service.runtime import ProcessRole
from service.serving import end_process, serving, wait_for_stop_signal
from service.settings import read_settings


async def run_parts(parts: Collection[ProcessRole], *, migrate: bool = False) -> None:
    """Run parts of the service until the process is told to stop."""
    async with database(read_settings()) as settings:
        if migrate:
            await migrate_all(settings.require_database_url)
        async with serving(settings, parts):
            await wait_for_stop_signal()
    end_process()
