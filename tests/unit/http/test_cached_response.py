"""Cached responses: rendered once per document, and never stale."""

import orjson
import pytest

from projections import results
from projections.results import Document, lookup_result
from service.http.messages import cached_response


class Renderer:
    """Records what it renders."""

    def __init__(self):
        self.calls = []

    def __call__(self, document, *arguments):
        self.calls.append((dict(document), *arguments))
        return [dict(document), *arguments]


@pytest.fixture
def render():
    return Renderer()


def look_up(**values):
    """Parse a document as a look-up does, from bytes that are new objects each time."""
    row = {"tenant": "t", "name": "n", "position": 1, "document": orjson.dumps(values)}
    return lookup_result([row]).rows["t", "n"]


def body_of(response):
    return orjson.loads(response.body)


def test_same_row_is_rendered_once(render):
    bodies = [
        body_of(cached_response(render, look_up(id="once", status="queued"))) for _ in range(3)
    ]
    assert bodies == [[{"id": "once", "status": "queued"}]] * 3
    assert len(render.calls) == 1


def test_changed_row_is_rendered_anew(render):
    for status in ("queued", "running", "queued"):
        document = look_up(id="changed", status=status)
        assert body_of(cached_response(render, document)) == [{"id": "changed", "status": status}]
    assert [document["status"] for document, *_ in render.calls] == ["queued", "running"]


def test_each_renderer_and_argument_has_its_own_response(render):
    other = Renderer()
    for level in (1, 2, 1):
        assert body_of(cached_response(render, look_up(id="ways"), level)) == [
            {"id": "ways"},
            level,
        ]
    cached_response(other, look_up(id="ways"), 1)
    assert (len(render.calls), len(other.calls)) == (2, 1)


def test_response_is_encoded_with_the_given_encoder():
    document = look_up(id="encoded")
    assert cached_response(dict, document, encode=lambda value: repr(value).encode()).text == (
        "{'id': 'encoded'}"
    )


def test_document_without_a_row_is_rendered_each_time(render):
    for status in ("queued", "running"):
        assert body_of(cached_response(render, Document(status=status))) == [{"status": status}]
    assert len(render.calls) == 2


def test_large_document_is_not_cached(render):
    text = "x" * (results.MAX_CACHED_DOCUMENT_BYTES + 1)
    before = results._parse_cached.cache_info()
    for _ in range(2):
        assert body_of(cached_response(render, look_up(text=text))) == [{"text": text}]
    assert len(render.calls) == 2
    assert results._parse_cached.cache_info() == before


def test_full_cache_evicts_the_document_looked_up_longest_ago(render):
    for number in range(results.DOCUMENT_CACHE_SIZE):
        look_up(number=number)
    cached_response(render, look_up(number=0))
    look_up(number=results.DOCUMENT_CACHE_SIZE)
    render.calls.clear()
    cached_response(render, look_up(number=0))
    assert render.calls == []
    assert results._parse_cached.cache_info().currsize == results.DOCUMENT_CACHE_SIZE
