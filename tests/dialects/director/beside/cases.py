"""What both are asked. `{id}` stands for a workflow of each one's own."""

from __future__ import annotations

import json
from itertools import product

from tests.dialects.suite import Call

UNKNOWN = "e0ee42d8-e00f-4557-8f75-781106dbbea4"
VALUES = (
    *(None, True, False, 0, 1, -1.5, 1e100, "", "x", "it's", 'say "x"', "é\u2028", [], [1], {}),
)
START = {"project": "example", "name": "ETL", "payload": {}}


def _start(**changes):
    return json.dumps({**START, **changes}).encode()


def _post(body, kind="application/json", target="/api/workflows"):
    return Call("POST", target, body, {} if kind is None else {"Content-Type": kind})


def _without(*names):
    return json.dumps({key: value for key, value in START.items() if key not in names}).encode()


def reads():
    """Reads of one history that both have."""
    yield from (Call(method, "/api/ping") for method in ("GET", "HEAD"))
    yield from (Call(method, "/api/workflows") for method in ("GET", "HEAD"))
    yield from (Call(method, "/api/workflows/{id}") for method in ("GET", "HEAD"))
    yield from (Call(method, "/api/definitions") for method in ("GET", "HEAD"))
    yield from (Call("GET", f"/api/workflows?{query}") for query in _queries())
    yield from (Call("GET", f"/api/workflows/{typed}") for typed in _ids())


def _queries():
    numbers = (
        *("", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "999", "-1", "-5", "-0"),
        *("abc", "1.5", "2.0", "1e1", "%201", "1%20", "%2B1", "+1", "1_0", "1__0", "_1", "0x1"),
        *("01", "%D9%A1", "%EF%BC%92", "null", "true", "99999999999999", "-99999999999999999999"),
        *("%00", "%FF", "%zz", "%", "1%00", "1;page=2", "1%26page=2", str(2**31), str(2**40)),
        *("%0A1", "%091%0D"),
    )
    yield from (f"page={number}" for number in numbers)
    yield from (f"per_page={number}" for number in numbers)
    yield from (f"page={page}&per_page={per}" for page, per in product("01234567", "02357"))
    yield from (f"with_payload={word}" for word in _words())
    yield from (f"per_page=2&with_payload={word}" for word in ("0", "junk", "%20no", "N%C3%B6"))
    yield from ("foo=bar", "status=error", "name=ETL", "sort=asc", "limit=1", "&", "&&page=1", "=")
    yield from ("page=1&page=2&per_page=3", "per_page=2&per_page=3", "page=&page=2&per_page=3")
    yield from ("Page=2", "PER_PAGE=2", "per%5Fpage=2", "per_page", "page", "?page=2", "page==2")
    yield from ("with_payload", "with_payload=0&with_payload=1", "foo=%FF", "%FF=1", "foo=%00")
    yield from ("per_page=2#page=2", "per_page=2;page=2")


def _words():
    no = ("n", "no", "f", "false", "off", "0")
    yes = ("y", "yes", "t", "true", "on", "1")
    yield from (*no, *yes, *map(str.upper, no), *map(str.upper, yes), "False", "oFF", "nO", "True")
    yield from ("", "junk", "2", "-1", "00", "%20", "no%20", "null", "none", "0.0", "+")


def _ids():
    plain = UNKNOWN.replace("-", "")
    yield from ("{ID}", "{plain}", "{PLAIN}", "%7B{id}%7D", "urn:uuid:{id}", "urn%3Auuid%3A{id}")
    yield from ("{{{id}}}", "uuid:{id}", "urn:{id}", "%7B%7B{id}", "{id}-", "-{id}", "--{plain}")
    yield from (UNKNOWN, UNKNOWN.upper(), plain, f"%7B{UNKNOWN}%7D", f"urn:uuid:{plain}")
    yield from ("{id}/", "{id}/tasks", "{id}//", "{id}?x=1", "0x" + "1" * 30)


def malformed_ids():
    """Ids at which Director crashes."""
    yield from ("abc", "123", UNKNOWN[:-1], UNKNOWN + "0", "%C3%A9", "%20", "%00", "%FF", "%zz")
    yield from ("null", "%7B%7D", "x" * 3000, "{id}%20", "%20{id}")


def addresses():
    """Addresses and methods, served or not."""
    paths = (
        *("/api", "/api/", "/api/notfound", "/api/workflows/", "/api/ping/", "/api/definitions/"),
        *("/api/list/workflows", "/api/workflows/{id}/relaunch/", "/api/workflows/{id}/nothing"),
        *("/api/workflows/abc", "/api/workflows/{id}/relaunch", "/api/workflows/{id}/cancel"),
        *("/api/workflows/abc/relaunch", "/api/workflows/abc/cancel", "/api/workflows/{id}"),
        *("/api/ping", "/api/workflows", "/api/definitions", "/api/PING"),
        *(
            "/api/definitions/example.ETL",
            "/api/workflows/{id}/tasks",
            "/api/%70ing",
            "/api/ping%3F",
        ),
        *("/apiary", "/api.json", "/api.json/x", "/apiary/", "/api/ping;x=1", "/api/./ping"),
        *("/api/../api/ping", "//api/ping", "/api//ping", "/api//workflows?page=1", "/api/ping//"),
        *("//api//ping", "//api/workflows", "//api/workflows/{id}", "//api/nothing"),
        *("//api/", "/api//workflows/{id}/cancel", "/api/workflows//{id}", "/api//nothing"),
    )
    posting = {"/api/workflows", "/api/workflows/{id}/relaunch", "/api/workflows/{id}/cancel"}
    malformed = {"/api/workflows/abc", "/api/workflows/abc/relaunch", "/api/workflows/abc/cancel"}
    for method, path in product(
        ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"), paths
    ):
        if method == "POST" and path in posting | malformed:
            continue  # they do something: see below
        if method in ("GET", "HEAD") and path in malformed:
            continue
        yield Call(method, path, b"" if method in ("POST", "PUT", "PATCH") else None)


def pages():
    """What is outside of the API."""
    for path in ("/", "/abc", "/favicon.ico", "/static/nothing", "/static/"):
        yield from (Call(method, path) for method in ("GET", "HEAD"))
    for path in ("/", "/abc", f"/{UNKNOWN}", "/static/script.js"):
        yield Call("OPTIONS", path)
    for file in ("script.js", "style.css"):
        yield from (Call(method, f"/static/{file}") for method in ("GET", "HEAD"))


def refused_starts():
    """Bodies of a start that are refused, but for those at which Director crashes."""
    yield from map(_post, _unreadable())
    yield from map(_post, _misshapen())
    yield from map(_post, _misshapen_and_unkept())
    for project, name in _unknown_names():
        yield _post(_start(project=project, name=name))
    for kind in _kinds():
        yield _post(_start(name="NOPE"), kind)
    yield _post(b"{bad", "text/plain")
    yield from _refused_payloads()


def _unreadable():
    yield from (b"", b" ", b"{", b"{bad json", b"{'a': 1}", b"\xff\xfe", b"[1,]", b"tru", b"//")
    yield from (b'{"project":"example",}', b"{} {}", b"\xef\xbb\xbf", b'{"a":"\n"}', b"NaN{")
    yield from (b'{"project":"\xff"}', b'{"project": 01}')


def _misshapen():
    for names in (("project",), ("name",), ("payload",), ("project", "name"), ("name", "payload")):
        yield _without(*names)
    yield b"{}"
    for name, value in product(("project", "name", "payload", "comment"), VALUES):
        if not isinstance(value, dict if name == "payload" else str):
            yield _start(**{name: value})
    for first, second in product((1, None, {"a": [None, True]}), ("x", [1.0], False)):
        yield _start(project=first, name=first, payload=second, comment=first)
        yield _start(payload=second, comment=first, foo=second)
        yield json.dumps({"name": first, "payload": second, "zz": 1, "aa": 2}).encode()
        yield json.dumps({"foo": first, "project": first}).encode()
    yield _start(foo=1)
    yield _start(foo=1, baz=2, Äh=3)
    yield _start(**{"it's": 1, "": 2, "tasks": []})
    yield _start(foo=1, project=2, comment=3)
    yield b'{"project": 1, "project": 2, "name": "ETL", "payload": {}}'
    yield b'{"payload": 1, "name": 2, "project": 3, "comment": 4}'


def _misshapen_and_unkept():
    """What Director crashes at when it stores it, and refuses before for something else."""
    yield _start(comment="x" * 300, project=1)
    yield _start(comment="x" * 300, name="NOPE")
    yield b'{"project": NaN}'
    yield b'{"project": "example", "name": Infinity, "payload": -Infinity}'
    yield b'{"project": "\\u0000", "name": 5}'
    yield b'{"project": %s}' % (b"9" * 30)
    for value in (b"NaN", b"9" * 30, b'"\\u0000"'):
        yield b'{"project": "no", "name": "NOPE", "payload": {"a": %s}}' % value
    yield b'{"project": "no", "name": "\\ud800", "payload": {}}'
    yield from ('{"project": 1}'.encode(name) for name in ("utf-16", "utf-8-sig", "utf-32-le"))


def _unknown_names():
    yield from (("example", "NOPE"), ("nope", "ETL"), ("", ""), ("example.ETL", ""))
    yield from ((" example", "ETL"), ("Example", "ETL"), ("é\x7f", "\\"), ("a" * 300, "b"))


def _kinds():
    yield from (None, "", "text/plain", "application/x-www-form-urlencoded", "text/json", "json")
    yield from ("application/jsonx", "application/json2", "text/x+json", "multipart/form-data")
    yield from ("application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json")
    yield from ("application/json;charset=latin-1", "application/json; x", " application/json ;")
    yield from ("application/+json", "application/x+JSON", "application/json, text/plain", "*/*")


def _refused_payloads():
    orders = (
        *({}, {"user": 1}, {"product": 1}, {"user": "john", "product": "x"}, {"user": None}),
        *({"user": 1.5, "product": 1e30}, {"user": True, "product": 2**63}, {"product": {"é": []}}),
        *({"user": [1, None], "product": {"b": 1, "a": "it's"}},),
    )
    for payload in orders:
        yield _post(_start(project="schemas", name="ORDER", payload=payload))
    strict = (
        *(
            {"more": 1},
            {"day": "x", "more": 1, "an": 2},
            {"day": "2026112"},
            {"rows": 0},
            {"rows": 11},
        ),
        *({"rows": -1.5}, {"kinds": ["a", "a"]}, {"kinds": ["c"]}, {"kinds": ["a", "b", "a"]}),
        *(
            {"either": 1},
            {"day": 1, "rows": "x", "kinds": "a", "either": []},
            {"kinds": [1, None, {}]},
        ),
    )
    for payload in strict:
        yield _post(_start(project="schemas", name="STRICT", payload=payload))
    yield _post(b'{"project":"schemas","name":"ORDER","payload":{"user":NaN}}')
    yield _post(_start(project="schemas", name="ORDER", payload={"user": "x" * 3000, "product": 1}))
    yield _post(_start(project="schemas", name="ORDER", payload={"user": ["x"] * 500}))


def accepted_starts():
    """Bodies of a start that make a workflow."""
    yield _post(_start())
    yield _post(_start(payload={"z": 1, "a": {"y": [], "b": "é\u2028\x7f\U0001f600", "": None}}))
    yield _post(_start(payload={"n": [0, -1, 1.5, 1.0, 2**53, 2**63 - 1, -(2**63), 2**64 - 1]}))
    yield _post(_start(payload={"f": [1e15, 0.1, 123456.789, 1e-4, 2.5e-3, 3.141592653589793]}))
    yield _post(_start(comment=""))
    yield _post(_start(comment='hello é \\ " \n \u2028'))
    yield _post(_start(comment="x" * 255))
    yield _post(_start(comment="é" * 255))
    yield _post(_start(project="example", name="with.dots"))
    yield _post(_start(project="example.with", name="dots"))
    yield _post(
        _start(project="schemas", name="ORDER", payload={"user": 1, "product": 2, "more": 3})
    )
    yield _post(_start(project="schemas", name="ORDER", payload={"user": 1.0, "product": 2}))
    yield _post(_start(project="schemas", name="STRICT", payload={"either": None, "rows": 10}))
    yield _post(b'{"payload":{"a":1,"a":2},"name":"NO","project":"example","name":"ETL"}')
    yield _post(_start(name="RANDOMS"), "application/json; charset=utf-8")
    yield _post(_start(), "application/vnd.api+json")
    yield _post(_start(), "APPLICATION/JSON;charset=latin-1")
    yield _post(json.dumps(START).encode("utf-16"))
    yield _post(json.dumps(START).encode("utf-8-sig"))
    yield _post(json.dumps(START).encode("utf-32-be"))
    yield _post(b"\r\n\t " + json.dumps(START, indent=4).encode() + b"\n ")
    yield _post(_start(), target="/api/workflows?page=0&foo=%FF")
    yield _post(_start(project="example", name="QUEUED"))


BODIES = (
    (None, None),
    (b"", "application/json"),
    (b"{}", "application/json"),
    (b"{bad json", "application/json"),
    (b'{"payload": {"ignored": 1}}', "application/json"),
    (b"a=1", "application/x-www-form-urlencoded"),
    (b"\xff\x00", None),
)
"""Bodies that relaunch and cancel ignore, each with its type."""


def crashes():
    """Requests that Director answers with 500, and the status that is ours."""
    for typed in malformed_ids():
        status = 400 if typed in ("%00", "%FF", "%zz") else 404
        yield Call("GET", f"/api/workflows/{typed}"), status
        yield Call("POST", f"/api/workflows/{typed}/relaunch"), status
        yield Call("POST", f"/api/workflows/{typed}/cancel"), status
    for body in (b"[]", b'"x"', b"null", b"5", b"[1, {}]", b"true"):
        yield _post(body), 400
    yield Call("GET", f"/api/workflows?page={2**63}"), 400
    yield Call("GET", f"/api/workflows?per_page={'9' * 20}"), 400
    yield _post(_start(comment="x" * 256)), 400
    yield _post(_start(comment="x\0")), 400
    yield _post(_start(payload={"a": "\0"})), 400
    yield _post(_start(payload={"\0": 1})), 400
    yield _post(b'{"project":"example","name":"ETL","payload":{"a":NaN}}'), 400
    yield _post(b'{"project":"example","name":"ETL","payload":{"a":-Infinity}}'), 400
    yield _post(b'{"project":"example","name":"ETL","payload":{"a":1e999}}'), 400
    yield _post(b'{"project":"example","name":"ETL","payload":{"a":"\\ud800"}}'), 400
    yield _post(b'{"a":' * 5000), 400


def credentials():
    """Requests with each kind of credential, on a server that asks for one."""
    presented = (
        *(
            None,
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic e30=",
            "Basic Og==",
            "Basic bm9ib2R5Og==",
        ),
        *("Basic bm9ib2R5OndvcmQ=", "Basic bm9ib2R5", "Basic /w==", "Bearer fl_token", "{basic}"),
        *("Digest username=x", "basic {basic}", "BASIC {basic}", "Basic {basic}", "Basic  {basic}"),
    )
    for value in presented:
        headers = {} if value is None else {"Authorization": value}
        yield Call("GET", "/api/ping", headers=headers)
        yield Call("OPTIONS", "/api/workflows", headers=headers)
        yield Call("DELETE", "/api/workflows", headers=headers)
        yield Call("GET", "/api/notfound", headers=headers)
        yield Call("GET", "/api//workflows", headers=headers)
        yield Call("HEAD", "/api/definitions", headers=headers)
        yield Call("GET", "/api/definitions", headers=headers)
        yield Call("GET", "/api/workflows?page=0", headers=headers)
        yield Call("GET", f"/api/workflows/{UNKNOWN}", headers=headers)
        yield Call("POST", f"/api/workflows/{UNKNOWN}/relaunch", headers=headers)
        yield Call("POST", f"/api/workflows/{UNKNOWN}/cancel", headers=headers)
        yield Call("POST", "/api/workflows", b"{bad", headers)
        yield Call("POST", "/api/workflows", b"{}", {**headers, "Content-Type": "application/json"})
    for typed in ("abc", "%20"):
        yield Call("GET", f"/api/workflows/{typed}")
        yield Call("POST", f"/api/workflows/{typed}/cancel")
