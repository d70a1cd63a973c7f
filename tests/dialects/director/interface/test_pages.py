"""Director's pages, from a folder like that of its package."""

from __future__ import annotations

import http.client
from dataclasses import replace

import pytest
from aiohttp import web

from service import app
from service.http.connections import Runner
from service.metrics.requests import ConnectionCounts
from tests.dialects.suite import Answer, Call

INDEX = """{% if config.ENABLE_CDN %}<script src="https://cdn.example/vue.js"></script>{% else %}
<script src="%% url_for('user.static', filename='vue.min.js') %%"></script>{% endif %}
<script src="%% url_for('static', filename='script.js') %%"></script>{{ item.id }}
<script>const API_URL = "%% config.API_URL %%", HISTORY = %% config.ENABLE_HISTORY_MODE | int %%;
</script>"""
ERROR = "<h1>%% error.code %% %% error.name %%</h1><p>%% error.description %%</p>"
UNKNOWN = "e0ee42d8-e00f-4557-8f75-781106dbbea4"


@pytest.fixture
def folder(tmp_path):
    for name, text in {
        "templates/index.html": INDEX,
        "templates/error.html": ERROR,
        "static/script.js": "const router = 1;",
        "static/style.css": "body {}",
        "static/user/fonts/icons.woff2": "icons",
        "secret.txt": "not for everybody",
        "static/é x.css": "a {}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def ask(server, folder):
    """Ask the service through a door that serves the pages, without a credential."""
    settings = replace(server.service.settings, director_ui=folder)
    service = replace(server.service, settings=settings)
    runner = Runner(app.build_app(service), ConnectionCounts(), shutdown_timeout=1)
    port = server.run(_listen(runner))

    def ask(target, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, target)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    yield ask
    server.run(runner.cleanup())


async def _listen(runner):
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner.addresses[0][1]


def test_home_is_the_packages_page_with_its_base_address(ask):
    answer = ask("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    text = answer.body.decode()
    assert 'API_URL = "/api", HISTORY = 0;' in text
    assert '<script src="/static/script.js"></script>{{ item.id }}' in text
    assert "https://cdn.example" in text
    assert ask("/", "HEAD").headers["Content-Length"] == str(len(answer.body))


def test_page_with_local_scripts_loads_nothing_from_elsewhere(folder, ask):
    (folder / "static/user/vue.min.js").write_text("var Vue")
    text = ask("/").body.decode()
    assert "https://" not in text
    assert '<script src="/static/user/vue.min.js">' in text
    assert ask("/static/user/vue.min.js").body == b"var Vue"


@pytest.mark.parametrize("typed", [UNKNOWN, UNKNOWN.upper(), UNKNOWN.replace("-", "")])
def test_address_of_any_workflow_serves_the_page_and_is_kept(ask, typed):
    answer = ask(f"/{typed}")
    assert answer.status == 200
    assert b"HISTORY = 1;" in answer.body


@pytest.mark.parametrize("target", ["/abc", "/definitions", "/favicon.ico", "/static/nothing.js"])
def test_unknown_page_is_not_found_with_a_page(ask, target):
    answer = ask(target)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"<h1>404 Not Found</h1><p>The requested URL was not found" in answer.body


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("script.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("user/fonts/icons.woff2", "font/woff2"),
        ("%C3%A9%20x.css", "text/css; charset=utf-8"),
    ],
)
def test_static_files_are_served_with_their_content_type(ask, name, kind):
    answer = ask(f"/static/{name}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "target",
    [
        "/static/../secret.txt",
        "/static/..%2Fsecret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/%2e%2e%2fsecret.txt",
        "/static/user/../../secret.txt",
        "/static/user/..%2F..%2Fsecret.txt",
        "/static//etc/passwd",
        "/static/%2Fetc%2Fpasswd",
        "/static/..%5Csecret.txt",
        "/static/user",
        "/static/",
        "/static",
        "/secret.txt",
        "/..%2Fsecret.txt",
        "/templates/index.html",
    ],
)
def test_only_static_files_are_served(ask, target):
    answer = ask(target)
    assert answer.status == 404
    assert b"not for everybody" not in answer.body


def test_own_pages_and_other_vendors_routes_are_unaffected(ask):
    assert ask("/health/live").status == 200
    assert b"Flowledger" in ask("/docs").body
    assert ask("/openapi.yaml").headers["Content-Type"].startswith("application/yaml")
    assert ask("/v1/runs").headers["Content-Type"] == "application/problem+json"
    assert ask("/rest/v1/nothing").headers["Content-Type"] == "application/json"
    assert ask("/api").headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("target", ["/", "/abc", "/static/script.js"])
def test_methods_of_a_page_are_listed(ask, target):
    answer = ask(target, "OPTIONS")
    assert (answer.status, answer.headers["Allow"]) == (200, "GET, HEAD, OPTIONS")
    assert ask(target, "POST").status == 405


@pytest.mark.parametrize("target", ["/", f"/{UNKNOWN}", "/static/script.js"])
def test_pages_are_not_served_unless_configured(server, target):
    assert server.ask(Call("GET", target)).status == 404
    assert server.ask(Call("POST", target)).status == 404
