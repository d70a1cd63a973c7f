"""Who asks, and for what: credentials as each vendor's clients show them, ids that exist."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import requests

from tests.acceptance.ledger import Ledger
from tests.dialects.suite import Call
from tests.dialects.walk import PARTS, client

MOSTLY = 12
"""How often the administrator's key is chosen for each time that another is."""

ROLES = ("operator", "viewer", "editor", "auditor")
OPEN = "fuzz.REPORTED"
READ_MODELS = ("executions", "workflows", "listings", "load_plans", "dispatch", "nothing")


class Signed(requests.auth.AuthBase):
    """Shows a credential as a vendor's client does, over the request as it is sent."""

    def __init__(self, name: str, key: Any) -> None:
        self.name = name
        self.key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        call = Call(str(request.method), request.path_url)
        request.headers.update(client(self.name).sign(call, self.key).headers)
        return request


class Asking:
    """The keys of a ledger and the ids of its runs."""

    def __init__(self, ledger: Ledger, url: str) -> None:
        self.url = url
        self.first: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.keys: list[Any] = [SimpleNamespace(**ledger.key)] * MOSTLY
        self.keys += [SimpleNamespace(**ledger.create_key(role)) for role in ROLES]
        self.keys.append(SimpleNamespace(**ledger.create_key("operator", "elsewhere")))
        for role in ("auditor", "administrator"):
            self.keys.append(SimpleNamespace(**ledger.create_key(role, "*")))
        nobody = {"token": "x" * 43, "username": "nobody", "password": "x"}
        self.keys.append(SimpleNamespace(**nobody, access_key="NOBODY", secret_key="x"))
        self.keys.append(None)
        self.session = requests.Session()

    def get(self, path: str) -> str:
        with urlopen(self.url + path) as answer:
            return answer.read().decode()

    def refresh(self) -> None:
        """Start a run that stays open for a while, and offer it beside those of the beginning."""
        own, runs = Signed("api", self.keys[0]), f"{self.url}/v1/runs"
        self.first = self.first or self.session.get(runs, auth=own).json()["runs"]
        started = self.session.post(runs, json={"flow": OPEN}, auth=own)
        started.raise_for_status()
        self.runs = [*self.first, *[started.json()] * len(self.first)]

    def auth(self, name: str, chance: random.Random) -> requests.auth.AuthBase | None:
        """Choose who asks: mostly somebody who may."""
        key = chance.choice(self.keys)
        return None if key is None or name not in PARTS else Signed(name, key)

    def ids(self, name: str, chance: random.Random) -> dict[str, Any]:
        """Everything that a parameter of that vendor may name, of one run."""
        run = chance.choice(self.runs)
        project, _, flow = run["flow"]["fullname"].partition(".")
        known = {
            "tenant": run["tenant"],
            "tenantid": run["tenant"],
            "flow": run["flow"]["fullname"],
            "flowname": run["flow"]["fullname"],
            "project": project,
            "name": chance.choice(READ_MODELS) if name == "api" else flow,
            "runid": run["run_id"],
            "position": run["position"],
            "asof": str(run["position"]),
            "flowledgerasof": str(run["position"]),
            "login": self.keys[0].username,
            "password": self.keys[0].password,
        }
        mine = run["vendor_ids"].get(name, {})
        own = {plain(kind): value for kind, value in mine.items()}
        if "listener" in own:
            own["pattern"] = own["listener"]
        return {**own, **{kind: value for kind, value in known.items() if kind not in own}}


def plain(kind: str) -> str:
    """A parameter's name as the ids have it: `dag_run_id` and `dagRunId` are one."""
    return kind.lower().replace("_", "").replace("-", "")


def known_value(kind: str, ids: dict[str, Any]) -> Any:
    """The id that a parameter names, by its name or by the end of one: None where there is none."""
    wanted = plain(kind)
    if wanted in ids:
        return ids[wanted]
    return next((value for name, value in ids.items() if name.endswith(wanted)), None)
