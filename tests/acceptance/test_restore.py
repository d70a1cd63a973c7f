"""A dump restored in any way, and then migrated, is the same ledger."""

import secrets
from typing import NamedTuple

import aiohttp
import pytest

from events.errors import LogError
from projections.errors import ProjectionError
from service.doctor.examination import Patient, examine
from service.serving import serving
from service.settings import Settings
from tests import postgres
from tests.kit.dumps import WAYS, dump, migrate_with_help, restore
from tests.kit.ledger_reads import read_runs
from tests.service.test_app import load_examples
from tests.waiting import until

OF_THE_SERVER = {"durability"}
"""What the doctor finds of a cluster for tests, which is hurried."""


class Original(NamedTuple):
    """A ledger to dump, and what clients read of it."""

    url: str
    secret_key: bytes
    token: str
    reads: dict[str, object]


async def start_run(address, token):
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(address, headers=headers) as client:
        answer = await client.post("/v1/runs", json={"flow": "example.EXTERNAL"})
        assert answer.status == 201, await answer.text()
        return await answer.json()


def settings_of(url, secret_key):
    return Settings(database_url=url, port=0, secret_key=secret_key, drain_s=0, grace_s=1)


@pytest.fixture(scope="module")
def original():
    with postgres.own_cluster() as cluster:
        made = []
        postgres.apart(fill(cluster.url, made))
        yield made[0]


async def fill(url, made):
    await postgres.migrate_whole(url)
    secret_key = secrets.token_bytes(32)
    async with serving(settings_of(url, secret_key)) as (service, address):
        await load_examples(service)
        key = await service.credentials.create(tenant="acme", role="administrator", name="tester")
        for _ in range(3):
            await start_run(address, key.token)
        made.append(Original(url, secret_key, key.token, await read_runs(address, key.token)))


@pytest.fixture(scope="module")
def new_cluster():
    with postgres.own_cluster() as cluster:
        yield cluster


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_restored_ledger_is_read_and_continued_after_a_migration(original, new_cluster, way):
    url = await restore(dump(original.url, *way.options), new_cluster, way)
    told = await migrate_with_help(url, new_cluster)
    if way.login == "administrator":
        assert not told
    settings = settings_of(url, original.secret_key)
    report = await examine(Patient(settings))
    assert {each.check for each in report.findings if each.level != "ok"} <= OF_THE_SERVER
    async with serving(settings) as (service, address):
        await until(lambda: service.readiness.reasons() == [])
        assert await read_runs(address, original.token) == original.reads
        started = await start_run(address, original.token)
        numbers = [run["run_number"] for run in original.reads["/v1/runs"]["runs"]]
        assert started["run_number"] > max(numbers)


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_restored_ledger_that_was_not_migrated_is_read_or_refused_with_the_cure(
    original, new_cluster, way
):
    url = await restore(dump(original.url, *way.options), new_cluster, way)
    refusal = await serve_and_compare(settings_of(url, original.secret_key), original)
    assert refusal is None or "run `flowledger migrate`" in refusal


async def serve_and_compare(settings, original):
    """Compare what is read if the process is ready; return the refusal of its start, if any."""
    try:
        async with serving(settings) as (service, address):
            if not service.readiness.reasons():
                assert await read_runs(address, original.token) == original.reads
    except (LogError, ProjectionError) as error:
        return str(error)
    return None
