"""Key rotation: all signing secrets come under the new secret key, or none."""

import asyncio
import signal
import sys

import pytest

from events.store import Log
from service.auth.credentials import Credentials
from service.auth.key_rotation import RotationResult, rotate_secret_key
from service.errors import InvalidSetting, Unauthenticated

OLD, NEW, OTHER = bytes(32), bytes([1] * 32), bytes([2] * 32)


async def under(pool, key):
    """The credentials as a process with this secret key has them."""
    opened = Credentials(pool, Log(pool), key)
    await opened.refresh()
    return opened


async def make(pool, key, count=3):
    opened = await under(pool, key)
    return [await opened.create(tenant="acme", role="viewer", name="signer") for _ in range(count)]


async def opens(pool, key, created):
    """Whether a signature by this credential can be checked."""
    try:
        _, secret = await (await under(pool, key)).by_access_key(created.access_key)
    except Unauthenticated:
        return False
    assert secret == created.secret_key.encode()
    return True


async def test_rotation_puts_every_secret_under_the_new_key_only(pool, database_url):
    made = await make(pool, OLD)
    assert await rotate_secret_key(database_url, old=OLD, new=NEW, dry_run=False) == RotationResult(
        3, 0
    )
    assert [await opens(pool, NEW, each) for each in made] == [True] * 3
    assert [await opens(pool, OLD, each) for each in made] == [False] * 3
    await Credentials(pool, Log(pool), NEW).start()


async def test_second_rotation_includes_credentials_created_meanwhile(pool, database_url):
    made = await make(pool, OLD)
    await rotate_secret_key(database_url, old=OLD, new=NEW, dry_run=False)
    made += await make(pool, OLD, 1)
    assert await rotate_secret_key(database_url, old=OLD, new=NEW, dry_run=False) == RotationResult(
        1, 3
    )
    assert await rotate_secret_key(database_url, old=OLD, new=NEW, dry_run=False) == RotationResult(
        0, 4
    )
    assert [await opens(pool, NEW, each) for each in made] == [True] * 4


async def test_dry_run_counts_secrets_and_changes_none(pool, database_url):
    made = await make(pool, OLD)
    assert await rotate_secret_key(database_url, old=OLD, new=NEW, dry_run=True) == RotationResult(
        3, 0
    )
    assert [await opens(pool, OLD, each) for each in made] == [True] * 3


async def test_secret_under_neither_key_is_named_and_nothing_changes(pool, database_url):
    made = await make(pool, OLD)
    [lost] = await make(pool, OTHER, 1)
    with pytest.raises(InvalidSetting, match=f"under neither, those of keys {lost.key_id}"):
        await rotate_secret_key(database_url, old=OLD, new=NEW, dry_run=False)
    assert [await opens(pool, OLD, each) for each in made] == [True] * 3


async def test_service_role_may_not_update_a_secret(pool):
    await make(pool, OLD, 1)
    with pytest.raises(Exception, match="permission denied"):
        await pool.execute("UPDATE auth.credentials SET secret_encrypted = ''")


async def main(url: str) -> None:
    await rotate_secret_key(url, old=OLD, new=NEW, dry_run=False)


@pytest.mark.parametrize("call", ["before 1", "after 1"])
async def test_rotation_killed_before_its_end_changes_nothing(pool, database_url, call):
    made = await make(pool, OLD)
    when, count = call.split()
    point = f"{when} service.auth.key_rotation._rotate {count}"
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kit.crash_points", point, "tests.auth.test_key_rotation"),
        database_url,
    )
    assert await killed.wait() == -signal.SIGKILL
    assert [await opens(pool, OLD, each) for each in made] == [True] * 3
    await rotate_secret_key(database_url, old=OLD, new=NEW, dry_run=False)
    assert [await opens(pool, NEW, each) for each in made] == [True] * 3
