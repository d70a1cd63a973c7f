"""Tasks and other processes of the same account do not see the ledger's secrets."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.ledger import SECRET_KEY, Client, Ledger

TASKS = """
import os

from service.tasks import task


def found():
    places = {"own": dict(os.environ)}
    for name, process in (("process", "self"), ("parent", str(os.getppid()))):
        with open(f"/proc/{process}/environ", "rb") as file:
            places[name] = file.read().decode(errors="replace")
    return {place: [word for word in WORDS if word in str(text)] for place, text in places.items()}


WORDS = ("SECRET", "postgresql://")


@task(name="IN_CHILD")
def in_child(*args, **kwargs):
    return found()


@task(name="ON_LOOP")
async def on_loop(*args, **kwargs):
    return found()
"""

FLOWS = """
secrets.LOOK:
  tasks:
    - IN_CHILD
    - ON_LOOP
"""


async def test_tasks_find_no_secret_in_their_environment_or_their_parents(
    ledger: Ledger, tmp_path: Path
) -> None:
    folder = tmp_path / "flows"
    (folder / "tasks").mkdir(parents=True)
    (folder / "flows.yaml").write_text(FLOWS)
    (folder / "tasks" / "look.py").write_text(TASKS.replace("SECRET", SECRET_KEY))
    ledger.run("flows", "load", str(folder))
    ledger.environment["FLOWLEDGER_FLOWS"] = str(folder)
    async with Client(ledger, await ledger.serve()) as client:
        run = await client.ended((await client.start("secrets.LOOK"))["run_id"])
    assert run["status"] == "succeeded", run
    for task in run["tasks"]:
        assert task["result"] == {"own": [], "process": [], "parent": []}, task["key"]
