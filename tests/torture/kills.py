"""SIGKILLs, spread over the load: of processes, of backends, and of all of Postgres."""

from tests.torture.stage import Finding, Stage

EVERY_BACKEND, EVERY_SERVER = 5, 10
LAST = 0.95
"""The last kill falls when this share of the load is written."""


async def run(stage: Stage) -> list[Finding]:
    died: list[str] = []
    for number in range(1, stage.kills + 1):
        due = LAST * stage.events * number / stage.kills
        await stage.written(due)
        if stage.over:
            break
        await kill(stage, number)
        died += await revive(stage)
    stage.killed.set()
    kills = stage.killer.kills
    return [
        Finding("SIGKILLs", kills.total()),
        *(Finding(f"of them {kind}", count) for kind, count in sorted(kills.items())),
        Finding("processes that died of something else", len(died), fault=True),
    ]


async def kill(stage: Stage, number: int) -> None:
    if number % EVERY_SERVER == 0:
        await stage.killer.postgres(stage.cluster)
    elif number % EVERY_BACKEND == 0:
        await stage.killer.backend(stage.cluster)
    else:
        victim = await stage.killer.process(stage.victims)
        await victim.start()


async def revive(stage: Stage) -> list[str]:
    """Start again who has died by itself; that is a fault, and the programme goes on."""
    dead = [process for process in stage.victims if process.ended is not None]
    for process in dead:
        await process.start()
    return [process.module for process in dead]
