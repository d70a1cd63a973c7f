"""Waiting for what no one tells of."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool] | bool], within_s: float = 60) -> None:
    """Wait for a condition, asked again and again; a slow machine gets the time it needs."""
    async with asyncio.timeout(within_s):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.002)
