"""The files that the tasks share: the data beside them, and a run's own folder."""

import csv
import json
import shutil
import tempfile
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent
PENGUINS = EXAMPLES / "data" / "penguins_raw.csv"


PREFIX = "flowledger-example-"
KEPT_S = 24 * 3600


def new_folder() -> Path:
    """Make a temporary folder of this run's own, so that runs do not meet.

    What a run loaded stays for a day, to be looked at.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _age_s(old) > KEPT_S:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:  # another run was faster
        return 0


def read_penguins() -> list[dict[str, str]]:
    """Read the birds as the CSV has them."""
    with PENGUINS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(file: Path, rows: list[dict]) -> None:
    """Write rows for the next task, a line each; the file is there whole or not at all."""
    partial = file.with_suffix(".partial")
    partial.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    partial.replace(file)


def read_rows(file: Path) -> list[dict]:
    """Read what `write_rows` wrote."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
