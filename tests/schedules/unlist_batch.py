"""A process that unlists one batch of runs; a test kills it meanwhile."""

import secrets

from service.runtime import ProcessRole
from service.serving import serving
from service.settings import Settings


async def main(url: str) -> None:
    settings = Settings(database_url=url, secret_key=secrets.token_bytes(32))
    async with serving(settings, {ProcessRole.PROJECT}) as (service, _):
        await service.schedules.retention.unlist_batch()
