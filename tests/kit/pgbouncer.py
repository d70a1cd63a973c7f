"""A PgBouncer of Debian's package in front of a test's database."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.acceptance.ledger import free_port

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


@contextmanager
def pgbouncer(database_url: str, pool_mode: str = "session", **settings: object) -> Iterator[str]:
    """Run one as the docs configure it; yield the URL of the same database through it."""
    if not Path(PROGRAM).exists():
        pytest.fail("there is no pgbouncer: run `apt-get install pgbouncer`", pytrace=False)
    url, port = urlsplit(database_url), free_port()
    user, password = unquote(url.username or ""), unquote(url.password or "")
    with tempfile.TemporaryDirectory(prefix="flowledger-pgbouncer-") as name:
        folder = Path(name)
        (folder / "users.txt").write_text(f'"{user}" "{password}"\n')
        (folder / "pgbouncer.ini").write_text(
            _configuration(_server(database_url), folder, port, pool_mode, settings)
        )
        with _running(folder, _account(database_url)):
            through = f"127.0.0.1:{port}"
            yield url._replace(
                netloc=f"{url.username}:{url.password}@{through}", query="sslmode=disable"
            ).geturl()


def _server(database_url: str) -> str:
    url = urlsplit(database_url)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    host = query.get("host") or unquote(url.hostname or "127.0.0.1")
    port = query.get("port") or url.port or 5432
    return f"host={host} port={port}"


def _configuration(
    server: str, folder: Path, port: int, pool_mode: str, settings: dict[str, object]
) -> str:
    pairs = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": folder / "users.txt",
        "pool_mode": pool_mode,
        "default_pool_size": 60,
    } | settings
    lines = "\n".join(f"{name} = {value}" for name, value in pairs.items())
    return f"[databases]\n* = {server}\n\n[pgbouncer]\n{lines}\n"


def _account(database_url: str) -> str | None:
    """Whose process may reach the server's socket, where we are root: it refuses to run as that."""
    if os.getuid() != 0:
        return None
    host = parse_qs(urlsplit(database_url).query).get("host", [""])[0]
    return pwd.getpwuid(Path(host).stat().st_uid).pw_name if host.startswith("/") else "nobody"


@contextmanager
def _running(folder: Path, account: str | None) -> Iterator[None]:
    for path in (folder, *folder.iterdir()):
        if account is not None:
            shutil.chown(path, account)
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [PROGRAM, folder / "pgbouncer.ini"], user=account, stdout=output, stderr=output
        )
    try:
        _wait_until_up(process, log)
        yield
    finally:
        process.kill()
        process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> None:
    while "process up" not in log.read_text():
        if process.poll() is not None:
            pytest.fail(f"pgbouncer did not start:\n{log.read_text()}", pytrace=False)
