"""A process that lets one batch of runs leave their lists: to be killed meanwhile."""

import secrets

from service.runtime import ProcessRole
from service.serving import serving
from service.settings import Settings


async def main(url: str) -> None:
    settings = Settings(database_url=url, secret_key=secrets.token_bytes(32))
    async with serving(settings, {ProcessRole.PROJECT}) as (service, _):
        await service.schedules.retention.batch()
