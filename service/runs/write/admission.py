"""Two lanes to the log: who is inside goes on; outside, a bounded number wait, tenants in turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final

from service.errors import Overloaded

MOST_HELD: Final = 10_000
"""Outside commands that wait or are under way."""

MOST_UNDER_WAY: Final = 1_000
"""Outside commands at the log at once: two full batches; the rest waits here, in fair turns."""


class Lanes:
    """The outside lane; what comes from inside does not pass here at all."""

    def __init__(self, *, most_held: int = MOST_HELD, most_under_way: int = MOST_UNDER_WAY) -> None:
        self._most_held = most_held
        self._most_under_way = most_under_way
        self._under_way = 0
        self._held = 0
        self._held_by: dict[str, int] = {}
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def enter(self, tenant: str) -> None:
        """Wait for this tenant's turn; each entry is followed by one `leave`.

        Raises:
            Overloaded: 10,000 commands are held already, or half as many of this tenant.
        """
        if self._held >= self._most_held:
            raise Overloaded
        held_by_tenant = self._held_by.get(tenant, 0)
        if held_by_tenant >= self._most_held // 2:
            raise Overloaded("too many commands of this tenant wait already; try again later")
        self._held += 1
        self._held_by[tenant] = held_by_tenant + 1
        if self._under_way < self._most_under_way:
            self._under_way += 1
        else:
            await self._wait(tenant)

    def leave(self, tenant: str) -> None:
        """End what `enter` began, and let the next tenant's longest waiting command go on."""
        self._release(tenant)
        self._under_way -= 1
        while self._waiting and self._under_way < self._most_under_way:
            self._admit_next()

    async def _wait(self, tenant: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(tenant)
            else:
                self._release(tenant)
            raise

    def _admit_next(self) -> None:
        tenant, turns = self._waiting.popitem(last=False)
        turn = turns.popleft()
        if turns:
            self._waiting[tenant] = turns
        if not turn.done():
            turn.set_result(None)
            self._under_way += 1

    def _release(self, tenant: str) -> None:
        self._held -= 1
        left = self._held_by.pop(tenant) - 1
        if left:
            self._held_by[tenant] = left
