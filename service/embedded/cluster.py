"""One Postgres cluster in one folder, managed with the programs of the wheel."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from service.errors import ServiceError

ROLE: Final = "flowledger"
DATABASE: Final = "flowledger"
PORT: Final = 5432
TIMEOUT_S: Final = 120
"""How long a start or stop may take, including crash recovery and the last checkpoint."""

_RETRY_S: Final = 5.0  # how long the processes of a killed server may take to notice
_SOCKET_PATH_BYTES: Final = 103  # sun_path without its NUL: 107 on Linux, 103 on macOS
_HBA: Final = "local all all scram-sha-256\n"
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    "random_page_cost": "1.1",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgresError(ServiceError):
    """The embedded Postgres cannot be started or stopped."""

    code = "embedded-postgres-error"


@dataclass(frozen=True, slots=True)
class Account:
    """The account that runs the server; None: the account of this process."""

    uid: int | None = None
    gid: int | None = None

    def chown(self, folder: Path) -> None:
        """Make this account the owner of a folder."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster in `base`; `binaries` has the folders bin, lib and share.

    The account owns `data` and `socket`, and can write nowhere else. Files that this process reads
    or writes (the password, the settings, the locks) stand in `base`, where the account cannot
    plant a symbolic link. `settings` are added to ours.
    """

    base: Path
    binaries: Path
    account: Account
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.base / "data"

    @property
    def url(self) -> str:
        """The database's URL, once started, for the role that owns the database."""
        password = (self.base / "password").read_text()
        where = quote(str(self._socket_folder()), safe="/")
        return f"postgresql://{ROLE}:{password}@/{DATABASE}?host={where}&port={PORT}"

    @property
    def pid(self) -> int:
        """Process id of the server, once started."""
        return int(self._postmaster()[0])

    def start(self) -> None:
        """Create the cluster if there is none, and start the server if none runs.

        Raises:
            EmbeddedPostgresError: it cannot be created or started.
        """
        if not (self.data / "PG_VERSION").exists():
            self._make()
        if not self.running():
            self._launch()
        self._wait_until_ready()

    def stop(self) -> None:
        """End open sessions, checkpoint and stop the server, if one runs.

        Raises:
            EmbeddedPostgresError: it still runs.
        """
        if self.running():
            self._shut_down()
        self._drop_short_folder()

    def running(self) -> bool:
        """Whether a server listens on the socket; a process id proves nothing, it may be reused."""
        address = self._socket_folder() / f".s.PGSQL.{PORT}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return address.exists() and probe.connect_ex(str(address)) == 0

    def _make(self) -> None:
        # A kill leaves no half cluster: `data` appears last, by a rename.
        half = self.base / "data.new"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        self.account.chown(half)
        password = self._new_password()
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin")
        auth = (f"--username={ROLE}", "--auth=peer")
        self._run("initdb", *auth, *locale, "--builtin-locale=C.UTF-8", data=half)
        statements = f"ALTER ROLE {ROLE} PASSWORD '{password}'\nCREATE DATABASE {DATABASE}\n"
        self._run(
            "postgres", "--single", "-cexit_on_error=on", "postgres", data=half, stdin=statements
        )
        half.rename(self.data)

    def _new_password(self) -> str:
        path = self.base / "password"
        path.touch(mode=0o600)
        password = secrets.token_hex(24)
        path.write_text(password)
        return password

    def _launch(self) -> None:
        self._configure()
        self._forget_reused_pid()
        log = self.data / "server.log"
        if log.exists():
            log.replace(self.data / "server.log.1")
        config = f"-c config_file={shlex.quote(str(self.base / 'postgresql.conf'))}"
        command = ("pg_ctl", "start", "-w", "-s", f"-t{TIMEOUT_S}", f"-l{log}", f"-o{config}")
        deadline = time.monotonic() + _RETRY_S
        while True:
            try:
                return self._run(*command)
            except EmbeddedPostgresError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _shut_down(self) -> None:
        try:
            self._run("pg_ctl", "stop", "-w", "-mfast", f"-t{TIMEOUT_S}")
        except EmbeddedPostgresError:
            if self.running():  # else it was killed meanwhile, and has stopped all the same
                raise

    def _configure(self) -> None:
        hba = self.base / "pg_hba.conf"
        own = {"hba_file": str(hba), "unix_socket_directories": f'"{self._new_socket_folder()}"'}
        settings = {**_SETTINGS, **self.settings, **own}
        lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
        hba.write_text(_HBA)
        (self.base / "postgresql.conf").write_text("".join(lines))
        for path in (hba, self.base / "postgresql.conf"):
            path.chmod(0o644)

    @property
    def _socket_location(self) -> Path:
        return self.base / "socket.elsewhere"

    def _socket_folder(self) -> Path:
        record = self._socket_location
        return Path(record.read_text()) if record.exists() else self.base / "socket"

    def _new_socket_folder(self) -> Path:
        folder = self.base / "socket"
        if len(os.fsencode(f"{folder}/.s.PGSQL.{PORT}")) > _SOCKET_PATH_BYTES:
            folder = self._new_short_folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        self.account.chown(folder)
        return folder

    def _new_short_folder(self) -> Path:
        # New for each start: a reboot may have emptied the temporary folder, and somebody else
        # could create a folder whose name is known in advance.
        self._drop_short_folder()
        folder = Path(tempfile.mkdtemp(prefix="flowledger-", dir="/tmp"))  # TMPDIR may be long too
        self._socket_location.write_text(str(folder))
        return folder

    def _drop_short_folder(self) -> None:
        if self._socket_location.exists():
            shutil.rmtree(self._socket_location.read_text(), ignore_errors=True)
            self._socket_location.unlink()

    def _forget_reused_pid(self) -> None:
        # After a crash of the machine, or in a new container, the id in postmaster.pid may belong
        # to another program. Postgres would take it for a running server and refuse to start.
        lines = self._postmaster()
        program = Path("/proc", str(int(lines[0])), "comm") if lines else None
        if program and program.exists() and program.read_text().strip() != "postgres":
            (self.data / "postmaster.pid").unlink()

    def _postmaster(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while [line.strip() for line in self._postmaster()[7:8]] != ["ready"]:
            if time.monotonic() > deadline:
                raise self._failure(f"the server was not ready within {TIMEOUT_S} s")
            time.sleep(0.02)

    def _run(self, program: str, *args: str, data: Path | None = None, stdin: str = "") -> None:
        done = subprocess.run(
            [str(self.binaries / "bin" / program), *args],
            check=False,
            cwd=self.base,
            env={"PATH": os.defpath, "LC_ALL": "C", "PGDATA": str(data or self.data)},
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o077,
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=None if self.account.uid is None else [],
        )
        if done.returncode:
            raise self._failure(f"{program} failed: {done.stdout.strip()}")

    def _failure(self, what: str) -> EmbeddedPostgresError:
        return EmbeddedPostgresError(
            f"the embedded Postgres in {self.base} does not start or stop: {what}\n"
            f"See {self.data / 'server.log'}; fix what it names, "
            "or name another Postgres in FLOWLEDGER_DATABASE_URL."
        )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
