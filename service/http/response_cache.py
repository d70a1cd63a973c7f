"""Answers that show a document, made once for as long as the document stays what it is.

Whoever waits for a run reads it again and again, and mostly finds it as it was. To make the answer
takes longer than to find what it shows, so it is kept with it: what is kept is never stale.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import orjson
from aiohttp import web

from projections.results import Document


def show(
    make: Callable[..., object],
    document: Document,
    *how: Hashable,
    encode: Callable[[object], bytes] = orjson.dumps,
) -> web.Response:
    """Answer with the JSON of what ``make(document, *how)`` says.

    That looks at nothing else: not at the clock, and not at who asks.
    """
    cache = document.response_cache
    if cache is None:
        cache = document.response_cache = {}
    key = (make, *how)
    body = cache.get(key)
    if body is None:
        body = cache[key] = encode(make(document, *how))
    return web.Response(body=body, content_type="application/json")
