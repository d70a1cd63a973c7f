"""A pooler of transactions gives itself away, however it chooses among its sessions."""

from contextlib import asynccontextmanager

import pytest

from events.errors import SessionRefused
from events.session import refuse_transaction_pooling


class Pooler:
    """Sessions of a server, by number; a transaction takes the next one and gives it back."""

    def __init__(self, sessions, *, takes_oldest=False):
        self.free = list(range(1, sessions + 1))
        self._takes_oldest = takes_oldest

    def take(self):
        return self.free.pop(0 if self._takes_oldest else -1)


class Client:
    """A connection through it: each statement outside of a transaction may get another session."""

    def __init__(self, pooler):
        self._pooler = pooler
        self._kept = None

    async def fetchval(self, _statement):
        if self._kept is not None:
            return self._kept
        session = self._pooler.take()
        self._pooler.free.append(session)
        return session

    @asynccontextmanager
    async def transaction(self):
        self._kept = self._pooler.take()
        yield
        self._pooler.free.append(self._kept)
        self._kept = None


class Whole(Client):
    """A connection with a session of its own."""

    def __init__(self, session):
        self._session = session

    async def fetchval(self, _statement):
        return self._session

    @asynccontextmanager
    async def transaction(self):
        yield


@pytest.mark.parametrize("sessions", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize("takes_oldest", [False, True])
async def test_shared_sessions_are_refused_with_any_number_of_them(sessions, takes_oldest):
    pooler = Pooler(sessions, takes_oldest=takes_oldest)
    with pytest.raises(SessionRefused, match="pool_mode = session"):
        await refuse_transaction_pooling(Client(pooler), Client(pooler))


async def test_session_that_another_client_takes_in_between_is_noticed_in_a_later_round():
    pooler = Pooler(2)
    # In the first round somebody else holds session 1 when the transaction begins.
    taken = [1, 1, 2, 1, 1, 1, 1]
    pooler.take = lambda: taken.pop(0)
    with pytest.raises(SessionRefused):
        await refuse_transaction_pooling(Client(pooler), Client(pooler))
    assert taken == []


async def test_whole_sessions_are_taken():
    await refuse_transaction_pooling(Whole(1), Whole(2))
