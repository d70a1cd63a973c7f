"""What clients read of a ledger: to compare two copies of one."""

from __future__ import annotations

from typing import Any

import aiohttp


async def read_all(address: str, token: str) -> dict[str, Any]:
    """Read the lists, each run, and the log of the key's tenant through the HTTP API, by path."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(address, headers=headers) as client:
        listed = await _get(client, "/v1/runs?limit=1000")
        paths = [f"/v1/runs/{run['run_id']}" for run in listed["runs"]]
        paths += [f"{path}/events" for path in paths]
        found = {path: await _get(client, path) for path in ("/v1/events", *paths)}
    return {"/v1/runs": listed, **found}


async def _get(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(path) as response:
        assert response.status == 200, (path, response.status, await response.text())
        return await response.json()
