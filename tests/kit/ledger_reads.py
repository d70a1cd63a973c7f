"""What clients read of a ledger: to compare two copies of one."""

from __future__ import annotations

from typing import Any

import aiohttp
import asyncpg

_DIGEST = """
    select count(*), md5(string_agg(leaf_hash::text, '' order by position))
    from log.events where position <= $1
"""


async def read_runs(
    address: str,
    token: str,
    *,
    min_position: int = 0,
    as_of: int | None = None,
    limit: int = 1000,
) -> dict[str, Any]:
    """Read the list of runs and each of them through the HTTP API, by path."""
    headers = {"Authorization": f"Bearer {token}"}
    if min_position:
        headers["Flowledger-Min-Position"] = str(min_position)
    if as_of is not None:
        headers["Flowledger-As-Of"] = str(as_of)
    async with aiohttp.ClientSession(address, headers=headers) as client:
        listed = await _get(client, f"/v1/runs?limit={limit}")
        paths = [f"/v1/runs/{run['run_id']}" for run in listed["runs"]]
        return {"/v1/runs": listed} | {path: await _get(client, path) for path in paths}


async def _get(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(path) as response:
        assert response.status == 200, (path, response.status, await response.text())
        return await response.json()


async def digest(url: str, up_to: int) -> tuple[int, str]:
    """Count the events up to a position, and hash their leaf hashes."""
    connection = await asyncpg.connect(url)
    try:
        count, hashed = await connection.fetchrow(_DIGEST, up_to)
        return count, hashed
    finally:
        await connection.close()
