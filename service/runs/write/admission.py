"""Limits concurrent external commands, fairly per tenant; internal commands bypass it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final

from service.errors import Overloaded

MAX_ADMITTED: Final = 10_000
"""External commands that wait or are in flight."""

MAX_IN_FLIGHT: Final = 1_000
"""External commands at the log at once: two full batches. The others wait here, tenants in turn."""


class AdmissionControl:
    """A fair semaphore for external commands: tenants take turns, and waiting is bounded."""

    def __init__(
        self, *, max_admitted: int = MAX_ADMITTED, max_in_flight: int = MAX_IN_FLIGHT
    ) -> None:
        self._max_admitted = max_admitted
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._admitted = 0
        self._admitted_by_tenant: dict[str, int] = {}
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def acquire(self, tenant: str) -> None:
        """Wait for this tenant's turn. Each call is followed by one `release`.

        Raises:
            Overloaded: 10,000 commands are admitted already, or half as many of this tenant.
        """
        if self._admitted >= self._max_admitted:
            raise Overloaded
        admitted_of_tenant = self._admitted_by_tenant.get(tenant, 0)
        if admitted_of_tenant >= self._max_admitted // 2:
            raise Overloaded("too many commands of this tenant wait already; try again later")
        self._admitted += 1
        self._admitted_by_tenant[tenant] = admitted_of_tenant + 1
        if self._in_flight < self._max_in_flight:
            self._in_flight += 1
        else:
            await self._wait(tenant)

    def release(self, tenant: str) -> None:
        """Give back what `acquire` took, and let the next tenant's oldest command go on."""
        self._forget(tenant)
        self._in_flight -= 1
        while self._waiting and self._in_flight < self._max_in_flight:
            self._wake_next()

    async def _wait(self, tenant: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(tenant)
            else:
                self._forget(tenant)
            raise

    def _wake_next(self) -> None:
        tenant, turns = self._waiting.popitem(last=False)
        turn = turns.popleft()
        if turns:
            self._waiting[tenant] = turns
        if not turn.done():
            turn.set_result(None)
            self._in_flight += 1

    def _forget(self, tenant: str) -> None:
        self._admitted -= 1
        left = self._admitted_by_tenant.pop(tenant) - 1
        if left:
            self._admitted_by_tenant[tenant] = left
