"""Director's own user interface, served from the files of its package as Director serves it.

Source: celery-director 0.9.0 and 0.10.0: Jinja templates with `%%` around variables. The page is
configured with the API's address, which here is its own origin.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, Template

from service.errors import NotFound
from service.runtime import SERVICE

if TYPE_CHECKING:
    from service.settings import Settings

# Director's default configuration of its page; a ledger has no Flower.
_CONFIG: Final = MappingProxyType(
    {
        "API_URL": "/api",
        "FLOWER_URL": "http://127.0.0.1:5555",
        "REFRESH_INTERVAL": 30_000,
        "REPO_LINK": "https://github.com/ovh/celery-director",
        "DOCUMENTATION_LINK": "https://ovh.github.io/celery-director",
        "VUE_DEBUG": False,
    }
)
_OWN_SCRIPTS: Final = "user/vue.min.js"
_UNFRAMED: Final = {"X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"}
"""No page of another site may show ours in a frame and have it clicked."""

_FRESH: Final = {"Cache-Control": "no-cache"}


@dataclass(frozen=True, slots=True)
class Interface:
    """The pages, and the only static files that can be requested, by name.

    ``home`` puts its location after ``#``, ``workflow`` into the path.
    """

    home: str
    workflow: str
    refusal: Template
    files: Mapping[str, Path]


def is_served(settings: Settings) -> bool:
    """Tell whether ``FLOWLEDGER_DIRECTOR_UI`` names the package's files."""
    return settings.director_ui is not None


async def page(request: web.Request) -> web.StreamResponse:
    """Show the user interface; a path below ``/`` must be a UUID, known or not.

    Raises:
        NotFound: it is not a UUID.
    """
    interface = await _interface(request)
    typed = request.match_info.get("id")
    if typed is None:
        return _html(interface.home)
    try:
        UUID(typed)
    except ValueError:
        raise NotFound from None
    return _html(interface.workflow)


async def static(request: web.Request) -> web.StreamResponse:
    """Serve a static file of the user interface.

    Raises:
        NotFound: there is no such file.
    """
    file = (await _interface(request)).files.get(request.match_info["file"])
    if file is None:
        raise NotFound
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    return web.FileResponse(file, headers={**_FRESH, "Content-Type": kind + charset})


def error_page(request: web.Request, status: int, description: str) -> web.Response:
    """Render an error as a page, as Director does outside of its API."""
    error = SimpleNamespace(code=status, name=HTTPStatus(status).phrase, description=description)
    return _html(read(_folder(request)).refusal.render(error=error), status)


@lru_cache(maxsize=1)
def read(folder: Path) -> Interface:
    """Read the templates and the names of the static files, once."""
    files = {
        file.relative_to(folder / "static").as_posix(): file
        for file in sorted((folder / "static").rglob("*"))
        if file.is_file()
    }
    templates = Environment(
        loader=FileSystemLoader(folder / "templates"),
        variable_start_string="%%",
        variable_end_string="%%",
        autoescape=True,
    )
    index = templates.get_template("index.html")
    config = {**_CONFIG, "ENABLE_CDN": _OWN_SCRIPTS not in files}
    home, workflow = (
        index.render(config=config | {"ENABLE_HISTORY_MODE": in_path}, url_for=_url_for)
        for in_path in (False, True)
    )
    return Interface(home, workflow, templates.get_template("error.html"), files)


def _url_for(endpoint: str, filename: str) -> str:
    return f"/static/user/{filename}" if endpoint == "user.static" else f"/static/{filename}"


async def _interface(request: web.Request) -> Interface:
    return await asyncio.to_thread(read, _folder(request))


def _folder(request: web.Request) -> Path:
    folder = request.app[SERVICE].settings.director_ui
    if folder is None:
        raise NotFound  # unreachable: `is_served` enables the routes
    return folder


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=text, status=status, content_type="text/html", charset="utf-8", headers=_UNFRAMED
    )
