"""Small tasks: random numbers, a slow one, and what hooks do."""

import asyncio
import random

from service.tasks import task


@task(name="RANDOM")
def generate_random(*_args: object, payload: dict, **_kwargs: object) -> int:
    """Draw a whole number, from 0 to 10 unless the payload says otherwise."""
    return random.randint(payload.get("start", 0), payload.get("end", 10))


@task(name="ADD")
def add_randoms(numbers: list[int], **_kwargs: object) -> int:
    """Add what the group drew."""
    return sum(numbers)


@task(name="SLOW")
async def slow(*_args: object, payload: dict, **_kwargs: object) -> float:
    """Sleep; a cancel wakes it at once."""
    seconds = payload.get("sleep", 5)
    await asyncio.sleep(seconds)
    return seconds


@task(name="ANNOUNCE")
def announce(*_args: object, workflow_id: str, **_kwargs: object) -> None:
    """Say that a run succeeded."""
    print(f"run {workflow_id} succeeded")  # noqa: T201 - kept as the task's log


@task(name="ALARM")
def alarm(*_args: object, workflow_id: str, **_kwargs: object) -> None:
    """Say that a run failed."""
    print(f"run {workflow_id} failed")  # noqa: T201 - kept as the task's log
