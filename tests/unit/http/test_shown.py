"""Answers that show a document: made once of the same, and never of anything else."""

import orjson
import pytest

from projections import results
from projections.results import Document, lookup_result
from service.http.response_cache import show


class Maker:
    """Counts what it makes."""

    def __init__(self):
        self.made = []

    def __call__(self, document, *how):
        self.made.append((dict(document), *how))
        return [dict(document), *how]


@pytest.fixture
def make():
    return Maker()


def look_up(**values):
    """Find a document as a look-up does: bytes that nobody has seen before."""
    row = {"tenant": "t", "name": "n", "position": 1, "document": orjson.dumps(values)}
    return lookup_result([row]).rows["t", "n"]


def said(response):
    return orjson.loads(response.body)


def test_an_answer_is_made_once_for_as_long_as_the_row_is_the_same(make):
    said_of_it = [said(show(make, look_up(id="once", status="queued"))) for _ in range(3)]
    assert said_of_it == [[{"id": "once", "status": "queued"}]] * 3
    assert len(make.made) == 1


def test_what_has_changed_is_shown_as_it_is_now(make):
    for status in ("queued", "running", "queued"):
        document = look_up(id="changed", status=status)
        assert said(show(make, document)) == [{"id": "changed", "status": status}]
    assert [document["status"] for document, *_ in make.made] == ["queued", "running"]


def test_another_maker_and_another_way_to_show_it_have_answers_of_their_own(make):
    other = Maker()
    for level in (1, 2, 1):
        assert said(show(make, look_up(id="ways"), level)) == [{"id": "ways"}, level]
    show(other, look_up(id="ways"), 1)
    assert (len(make.made), len(other.made)) == (2, 1)


def test_an_answer_is_encoded_as_its_dialect_does():
    document = look_up(id="encoded")
    assert show(dict, document, encode=lambda shown: repr(shown).encode()).text == (
        "{'id': 'encoded'}"
    )


def test_a_document_that_was_folded_is_shown_for_itself(make):
    for status in ("queued", "running"):
        assert said(show(make, Document(status=status))) == [{"status": status}]
    assert len(make.made) == 2


def test_a_large_document_is_not_kept(make):
    text = "x" * (results.MAX_CACHED_DOCUMENT_BYTES + 1)
    before = results._parse_cached.cache_info()
    for _ in range(2):
        assert said(show(make, look_up(text=text))) == [{"text": text}]
    assert len(make.made) == 2
    assert results._parse_cached.cache_info() == before


def test_of_many_documents_those_looked_up_last_are_kept(make):
    for number in range(results.DOCUMENT_CACHE_SIZE):
        look_up(number=number)
    show(make, look_up(number=0))
    look_up(number=results.DOCUMENT_CACHE_SIZE)
    make.made.clear()
    show(make, look_up(number=0))
    assert make.made == []
    assert results._parse_cached.cache_info().currsize == results.DOCUMENT_CACHE_SIZE
