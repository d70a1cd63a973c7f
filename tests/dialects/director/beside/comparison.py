"""Two answers side by side, once what must differ (ids, times, whose server it is) is masked."""

from __future__ import annotations

import http.client
import json
import re
import time
from dataclasses import dataclass

from tests.dialects.suite import Answer, Call

ID = re.compile(rb"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?\+00:00")
TRACEBACK = re.compile(rb'"traceback":"Traceback \(most recent call last\):(?:[^"\\]|\\.)*"')
PASSED_OVER = {
    *("date", "server", "connection", "keep-alive", "x-request-id", "flowledger-position"),
    *("etag", "last-modified", "accept-ranges", "content-disposition"),
}
"""Headers that are of the server and its files, or that the ledger adds for who knows of them."""

ENDED = {"success", "error", "canceled"}
PATIENCE_S = 60


@dataclass
class Side:
    """One of the two; ``id`` is the workflow that `{id}` stands for in an address."""

    port: int
    basic: str = ""
    id: str = ""

    def ask(self, call):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(call.method, self._filled(call.target), skip_accept_encoding=True)
            if call.body is not None or call.method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(call.body or b"")))
            for name, value in call.headers.items():
                connection.putheader(name, value.replace("{basic}", self.basic))
            connection.endheaders(call.body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def _filled(self, target):
        plain = self.id.replace("-", "")
        forms = {"{id}": self.id, "{ID}": self.id.upper(), "{plain}": plain}
        for form, text in {**forms, "{PLAIN}": plain.upper()}.items():
            target = target.replace(form, text)
        return target

    def start(self, name, **more):
        """Start a workflow; `{id}` is that from now on."""
        body = {"project": "example", "name": name, "payload": {}, **more}
        answer = self.ask(Call("POST", "/api/workflows").sending(body))
        assert answer.status == 201, answer.body
        self.id = answer.json["id"]

    def ended(self):
        """Wait until the workflow and all of its tasks that ever will have ended."""
        return self.until(
            lambda it: (
                it["status"] in ENDED
                and not any(t["status"] == "progress" or waits(it, t) for t in it["tasks"])
            )
        )

    def until(self, holds):
        last = time.monotonic() + PATIENCE_S
        while not holds(workflow := self.ask(Call("GET", "/api/workflows/{id}")).json):
            assert time.monotonic() < last, workflow
            time.sleep(0.02)
        return workflow

    def shown(self, call):
        """What is compared: the status, the headers, the body."""
        answer = self.ask(call)
        body = ID.sub(b"ID", TIME.sub(b"TIME", _in_order(answer.body)))
        body = body.replace(f":{self.port}/".encode(), b":PORT/")
        if answer.status == 201:
            # A worker may be quicker than the answer to a start.
            body = body.replace(b'"status":"progress"', b'"status":"pending"')
        return answer.status, self._headers(answer), TRACEBACK.sub(b'"traceback":"..."', body)

    def _headers(self, answer):
        headers = {
            name.lower(): ID.sub(b"ID", value.encode()).decode().replace(f":{self.port}/", ":PORT/")
            for name, value in answer.headers.items()
            if name.lower() not in PASSED_OVER
        }
        if "allow" in headers:
            # Its order changes from one process of Director to the next.
            headers["allow"] = sorted(headers["allow"].split(", "))
        if answer.status == 405:
            # Director does not name the methods, as RFC 9110 demands.
            headers.pop("allow", None)
        if any(pattern.search(answer.body) for pattern in (ID, TIME, TRACEBACK)):
            # A time has no fraction where that is zero; tracebacks differ.
            headers.pop("content-length", None)
        return headers


def waits(workflow, task):
    """Tell whether a pending task will still run: a hook does, what follows a failure does not."""
    hooked = any(other["is_hook"] for other in workflow["tasks"])
    return task["status"] == "pending" and (hooked or workflow["status"] == "success")


def assert_same(pair, calls):
    """Ask both; tell every call at which they differ, with both answers."""
    found = []
    for call in calls:
        theirs, ours = (side.shown(call) for side in pair)
        if theirs != ours:
            found.append(f"{call}\n    Director: {theirs}\n    ours:     {ours}")
    assert not found, "\n".join((f"{len(found)} differ:", *found[:10]))


def _in_order(body):
    """The tasks of a workflow in the order they were made: Director's own order changes."""
    if b'"tasks":[{"created"' not in body:
        return body
    workflow = json.loads(body)
    assert _encoded(workflow) == body
    workflow["tasks"].sort(key=lambda task: task["created"])
    return _encoded(workflow)


def _encoded(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"
