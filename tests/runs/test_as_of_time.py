"""A time is read as of once it is over: then the result cannot change."""

from datetime import UTC, datetime, timedelta

import pytest

from events.database import connect
from service.errors import BadRequest
from service.http.as_of import open_as_of
from tests.runs.test_queries import load_flows, opened

TICK = timedelta(microseconds=1)


async def test_as_of_a_time_at_which_events_may_still_be_recorded_is_refused(database_url):
    await load_flows(database_url)
    owner = await connect(database_url, role=None)
    # As where the server's clock was set back by a day since the last append.
    last = datetime.now(UTC) + timedelta(days=1)
    await owner.execute("update log.head set recorded_at = $1", last)
    await owner.close()
    async with opened(database_url) as process:
        with pytest.raises(BadRequest, match="is in the future"):
            await open_as_of(process.service, last.isoformat())
        before = await open_as_of(process.service, (last - TICK).isoformat())
        await process.start()
        assert (await process.log.read(before.position, 1))[0].recorded_at == last
        again = await open_as_of(process.service, (last - TICK).isoformat())
        assert again.position == before.position
