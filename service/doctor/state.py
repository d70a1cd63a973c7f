"""Examines what stands beside the log: read models, rebuilds, credentials, workers, run numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from events.database import Connection
from events.diagnosis import read_newest
from events.types import RUN_QUEUED
from projections import registry
from projections.errors import UnknownProjection, UnknownSchemaVersion
from projections.projection import schema_of
from projections.rebuild import jobs
from service.auth.key_rotation import find_unreadable
from service.doctor.findings import Finding
from service.executors.heartbeats import HeartbeatTiming, WorkerState, list_workers
from service.runs.write.number_sequence import last_number, statement_to_advance_past
from service.settings import MAKE_SECRET_KEY

NEWEST_POSITIONS: Final = 10_000
"""How many positions from the end of the log are searched for the greatest run number."""


async def examine_read_models(connection: Connection, max_lag_s: float) -> list[Finding]:
    """Examine how far each version of each read model is, and whether this release can serve it."""
    try:
        await registry.servable_versions(connection, registry.discover_all())
    except UnknownProjection as error:
        return [Finding("read models", "error", str(error), "run `flowledger migrate`")]
    except UnknownSchemaVersion as error:
        return [Finding("read models", "error", str(error), "run the release that made it")]
    rows = await registry.status(connection)
    return list(judge_read_models(rows, max_lag_s))


def judge_read_models(rows: Sequence[Mapping[str, Any]], max_lag_s: float) -> Iterator[Finding]:
    """Judge the rows of `projections.registry.status`."""
    faults = [fault for row in rows if (fault := _judge_read_model(row, max_lag_s))]
    yield from faults
    if not faults:
        yield Finding("read models", "ok", f"{len(rows)} versions are up to date")


def _judge_read_model(row: Mapping[str, Any], max_lag_s: float) -> Finding | None:
    check, name, version = "read models", row["name"], f"{row['name']} version {row['version']}"
    if row["position"] > row["head"]:
        text = f"{version} shows position {row['position']}, the log ends at {row['head']}"
        cure = f"stop all processes and run `flowledger projections rebuild {name}`"
        return Finding(check, "error", text, cure)
    if row["state"] == "paused":
        text = f"{version} is paused before position {row['error_position']}: {row['error']}"
        cure = f"mend the cause, then `flowledger projections retry {name}`; or `skip`, on record"
        return Finding(check, "error", text, cure)
    if row["state"] == "running" and row["lag_s"] > max_lag_s:
        text = f"{version} is {row['lag_events']} events, {row['lag_s']:.0f} s behind the log"
        cure = "see that `flowledger serve` or `project` runs, and what slows it"
        return Finding(check, "warning", text, cure)
    return None


async def examine_rebuilds(connection: Connection) -> list[Finding]:
    """Examine rebuilds that stopped, and versions that no rebuild makes any more."""
    rows = await registry.status(connection)
    found = {name: await jobs.find(connection, name) for name in {row["name"] for row in rows}}
    unfinished = {name: job for name, job in found.items() if job is not None and job.open}
    unattended = await jobs.find_unattended(connection)
    building = {row["name"]: row["version"] for row in rows if row["state"] == "building"}
    return list(judge_rebuilds(unfinished, unattended, building))


def judge_rebuilds(
    unfinished: Mapping[str, jobs.Rebuild],
    unattended: Mapping[str, int],
    building: Mapping[str, int],
) -> Iterator[Finding]:
    """Judge unfinished rebuilds, those that no process works on, and versions being built."""
    check = "rebuilds"
    for name, job in sorted(unfinished.items()):
        rebuild = f"`flowledger projections rebuild {name}`"
        if job.phase == "failed":
            text = f"that of {name} stopped: {job.error}"
            cure = f"mend the cause and continue with {rebuild}, or give it up with --cancel"
            yield Finding(check, "warning", text, cure)
        elif name in unattended:
            text = f"that of {name} is {job.phase}, and no process works on it"
            cure = f"start `flowledger serve` or `project`, or continue with {rebuild}"
            yield Finding(check, "warning", text, cure)
        else:
            yield Finding(check, "ok", f"{name} is being rebuilt: {job.phase}")
    for name in sorted(building.keys() - unfinished.keys()):
        text = f"{schema_of(name, building[name])} was left half made"
        cure = f"a rebuild drops it and makes it anew: `flowledger projections rebuild {name}`"
        yield Finding(check, "warning", text, cure)
    if not unfinished and not building:
        yield Finding(check, "ok", "none is open")


async def examine_credentials(connection: Connection, secret_key: bytes | None) -> list[Finding]:
    """Examine whether the secret key opens the signing secrets of all credentials."""
    check = "credentials"
    if secret_key is None:
        cure = (
            f"set the key that this ledger's keys were made under; for a new one {MAKE_SECRET_KEY}"
        )
        return [Finding(check, "error", "FLOWLEDGER_SECRET_KEY is not set", cure)]
    unreadable, total = await find_unreadable(connection, secret_key)
    if not unreadable:
        return [Finding(check, "ok", f"the secret key opens all {total}")]
    text = f"FLOWLEDGER_SECRET_KEY opens {total - len(unreadable)} of {total}, not {unreadable[0]}"
    cure = (
        "set the key that they were made under; to change it, set FLOWLEDGER_OLD_SECRET_KEY too"
        " and run `flowledger keys reseal`"
    )
    return [Finding(check, "error", text, cure)]


async def examine_workers(connection: Connection) -> list[Finding]:
    """Examine which workers are alive."""
    return [judge_workers(await list_workers(connection))]


def judge_workers(workers: Sequence[WorkerState]) -> Finding:
    """Judge the heartbeats of the workers."""
    dead = [each for each in workers if abs(each.silent_s) > HeartbeatTiming().expiry_s]
    alive = len(workers) - len(dead)
    if not dead:
        return Finding("workers", "ok", f"alive: {alive}")
    worker, _, silent_s = dead[0]
    text = f"alive: {alive}, silent: {len(dead)}; {worker} for {silent_s:.0f} s"
    cure = "nothing, if it was killed: others take over its runs, and its row goes after a day"
    if not alive:
        cure = "start `flowledger serve` or `work`: it takes over the runs of the dead"
    return Finding("workers", "warning", text, cure)


async def examine_numbers(connection: Connection) -> list[Finding]:
    """Examine whether new run numbers are greater than those of the log."""
    bodies = await read_newest(connection, RUN_QUEUED, NEWEST_POSITIONS)
    numbers = [body["run_number"] for body in bodies if isinstance(body.get("run_number"), int)]
    return [judge_numbers(max(numbers, default=0), await last_number(connection))]


def judge_numbers(greatest: int, last: int) -> Finding:
    """Judge the greatest run number of the log against the last one that was given out.

    >>> judge_numbers(100, last=100).level
    'ok'
    >>> judge_numbers(101, last=100).level
    'error'
    """
    if greatest <= last:
        return Finding("run numbers", "ok", f"those up to {last} are given out")
    text = f"run {greatest} is in the log, but numbers from {last + 1} on would be given out again"
    cure = f"stop all processes; as the owner: {statement_to_advance_past(greatest)}"
    return Finding("run numbers", "error", text, cure)
