"""The embedded Postgres: durable, closed to others, shared by processes, never wedged by a kill."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from service.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    embedded_postgres,
    open_cluster,
)

USER = """
import asyncio, sys
from pathlib import Path
from service.embedded import embedded_postgres

async def main():
    async with embedded_postgres(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its cluster to an account")


@pytest.fixture
def new_home() -> Iterator[Path]:
    """One without a cluster."""
    with tempfile.TemporaryDirectory(prefix="flowledger-home-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"
        open_cluster(Path(folder) / "home").stop()


@pytest.fixture(scope="module")
def made_home() -> Iterator[Path]:
    """Making a cluster takes most of such a test's time: the tests that may share one do."""
    with tempfile.TemporaryDirectory(prefix="flowledger-home-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


@pytest.fixture
def home(made_home: Path) -> Iterator[Path]:
    """One whose server does not run; what earlier tests kept in it may be there."""
    yield made_home
    open_cluster(made_home).stop()


@pytest.fixture
def hidden_home() -> Iterator[Path]:
    """Below a folder that only its owner may enter; what lies elsewhere for it is removed, too."""
    with tempfile.TemporaryDirectory(prefix="flowledger-hidden-") as folder:
        home = Path(folder) / "home"
        yield home
        base = open_cluster(home).base
        subprocess.run(["rm", "-r", base], check=True)


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def keep(url: str) -> str:
    table = f"kept_{uuid.uuid4().hex}"
    await ask(url, f"CREATE TABLE {table} ()")
    return table


async def is_kept(url: str, table: str) -> object:
    return await ask(url, f"SELECT to_regclass('{table}') IS NOT NULL")


async def another_user(home: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", USER, str(home), stdin=pipe, stdout=pipe
    )


async def url_of(user: asyncio.subprocess.Process) -> str:
    return (await user.stdout.readline()).decode().strip()


async def leave(user: asyncio.subprocess.Process) -> None:
    user.stdin.close()
    assert await user.wait() == 0


async def test_a_commit_is_on_disk_before_it_is_answered(home):
    async with embedded_postgres(home) as url:
        settings = await ask(
            url,
            "SELECT array_agg(setting) FROM pg_settings"
            " WHERE name IN ('fsync', 'synchronous_commit')",
        )

    assert settings == ["on", "on"]


async def test_committed_data_survives_a_restart(home):
    async with embedded_postgres(home) as url:
        table = await keep(url)

    async with embedded_postgres(home) as url:
        assert await is_kept(url, table)


async def test_connection_without_the_password_is_refused(home):
    async with embedded_postgres(home) as url:
        wrong = url.replace(urlsplit(url).password, "wrong")

        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(wrong, "SELECT 1")


async def test_only_the_socket_accepts_connections_and_requires_scram(home):
    async with embedded_postgres(home) as url:
        rules = await ask(
            url, "SELECT array_agg(type || ' ' || auth_method) FROM pg_hba_file_rules"
        )
        addresses = await ask(url, "SHOW listen_addresses")

    assert (rules, addresses) == (["local scram-sha-256"], "")


async def test_the_socket_and_the_data_are_closed_to_other_accounts(home):
    async with embedded_postgres(home):
        modes = {
            name: stat.S_IMODE((home / "postgres" / name).stat().st_mode)
            for name in ("data", "socket", "password")
        }

    assert modes == {"data": 0o700, "socket": 0o700, "password": 0o600}


async def test_the_server_stops_with_its_only_user(home):
    async with embedded_postgres(home):
        pass

    assert not open_cluster(home).running()


async def test_a_second_process_uses_the_server_of_the_first(home):
    async with embedded_postgres(home) as url:
        other = await another_user(home)

        assert await url_of(other) == url
        await leave(other)
        assert await ask(url, "SELECT 1") == 1


async def test_server_outlives_its_starter_while_another_process_uses_it(home):
    first = await another_user(home)
    await url_of(first)

    async with embedded_postgres(home) as url:
        await leave(first)
        assert await ask(url, "SELECT 1") == 1

    assert not open_cluster(home).running()


async def test_processes_that_start_together_share_one_new_cluster(new_home):
    users = await asyncio.gather(*(another_user(new_home) for _ in range(3)))

    urls = {await url_of(user) for user in users}
    await asyncio.gather(*map(leave, users))

    assert len(urls) == 1
    assert not open_cluster(new_home).running()


async def test_killed_process_does_not_block_others(home):
    killed = await another_user(home)
    table = await keep(await url_of(killed))
    killed.kill()
    await killed.wait()

    async with embedded_postgres(home) as url:
        assert await is_kept(url, table)

    assert not open_cluster(home).running()


async def test_a_killed_server_is_recovered_by_the_next_start(home):
    killed = EmbeddedPostgres(home)
    table = await keep(await killed.start())
    os.kill(open_cluster(home).pid, signal.SIGKILL)
    await killed.stop()

    async with embedded_postgres(home) as url:
        assert await is_kept(url, table)


async def test_process_id_reused_by_another_program_does_not_block_the_start(home):
    async with embedded_postgres(home):
        data = open_cluster(home).data
        lines = (data / "postmaster.pid").read_text().splitlines()
    other = await asyncio.create_subprocess_exec("sleep", "60", user=data.stat().st_uid)
    (data / "postmaster.pid").write_text("\n".join([str(other.pid), *lines[1:]]))

    async with embedded_postgres(home) as url:
        assert await ask(url, "SELECT 1") == 1
    other.kill()
    await other.wait()


async def test_incomplete_cluster_left_by_a_kill_is_recreated(new_home):
    half = open_cluster(new_home).base / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18")

    async with embedded_postgres(new_home) as url:
        assert await ask(url, "SELECT 1") == 1


async def test_home_name_may_contain_blanks_quotes_and_symbols(new_home):
    async with embedded_postgres(new_home / "a home's 100%41&?#ü") as url:
        assert await ask(url, "SELECT current_database()") == "flowledger"


@pytest.mark.parametrize("sign", ['"', "$", "`", "\\", "\n"])
def test_home_name_that_postgres_tools_would_misread_is_refused(new_home, sign):
    with pytest.raises(EmbeddedPostgresError, match="FLOWLEDGER_HOME"):
        open_cluster(new_home / f"a{sign}home")


async def test_the_socket_of_a_long_home_has_a_short_path(new_home):
    async with embedded_postgres(new_home / ("long" * 40)) as url:
        folder = parse_qs(urlsplit(url).query)["host"][0]
        assert await ask(url, "SELECT 1") == 1

    assert len(f"{folder}/.s.PGSQL.5432") < 104


@as_root
async def test_root_widens_no_permission_outside_the_clusters_folder(hidden_home):
    hidden_home.mkdir(mode=0o700)
    folders = (hidden_home.parent, hidden_home)
    before = [folder.stat().st_mode for folder in folders]

    async with embedded_postgres(hidden_home) as url:
        assert await ask(url, "SELECT 1") == 1

    assert [folder.stat().st_mode for folder in folders] == before


@as_root
async def test_the_servers_account_owns_nothing_that_root_reads_or_writes(home):
    async with embedded_postgres(home):
        lent = {path.name for path in (home / "postgres").iterdir() if path.stat().st_uid != 0}

    assert lent == {"data", "socket"}


@as_root
async def test_lost_cluster_is_reported_and_not_replaced(hidden_home):
    hidden_home.mkdir()
    base = open_cluster(hidden_home).base
    base.rename(base.with_name(f"{base.name}.away"))
    try:
        with pytest.raises(EmbeddedPostgresError, match="restore it"):
            open_cluster(hidden_home)
    finally:
        base.with_name(f"{base.name}.away").rename(base)


@as_root
def test_empty_cluster_location_record_is_not_the_working_folder(
    hidden_home, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    hidden_home.mkdir()
    open_cluster(hidden_home)
    record = hidden_home / "postgres" / "location"
    named = record.read_text()
    record.write_text("")
    try:
        with pytest.raises(EmbeddedPostgresError, match="restore it"):
            open_cluster(hidden_home)
    finally:
        record.write_text(named)
    assert list(tmp_path.iterdir()) == []


@as_root
def test_a_home_of_another_user_is_refused(home):
    folder = open_cluster(home).base
    os.chown(folder, 65534, 65534)
    try:
        with pytest.raises(EmbeddedPostgresError, match="FLOWLEDGER_HOME"):
            open_cluster(home)
    finally:
        os.chown(folder, 0, 0)


def test_missing_wheel_error_names_what_to_install_or_set(home):
    with pytest.raises(
        EmbeddedPostgresError, match=r"flowledger\[embedded\].*FLOWLEDGER_DATABASE_URL"
    ):
        open_cluster(home, wheel="a_wheel_that_is_not_installed")


async def test_failed_server_start_gives_the_reason_and_the_log_location(new_home):
    cluster = open_cluster(new_home, {"max_connections": "none"})

    with pytest.raises(EmbeddedPostgresError, match=r"server\.log"):
        await asyncio.to_thread(cluster.start)


async def test_a_stop_without_a_start_does_nothing(home):
    await EmbeddedPostgres(home).stop()


async def test_two_starts_of_one_user_need_one_stop(home):
    server = EmbeddedPostgres(home)
    assert await server.start() == await server.start()
    await server.stop()

    assert not open_cluster(home).running()
