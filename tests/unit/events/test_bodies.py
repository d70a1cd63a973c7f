"""Each event type has a body, an example and its place on the reference page."""

from pathlib import Path
from typing import get_type_hints

import pytest

from events.bodies import BODIES, Metadata
from events.reference import EXAMPLES, members_of, page
from events.types import SCHEMA_VERSIONS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "events.md"
COMMAND = "python -m events.reference > docs/reference/events.md"


def test_each_event_type_has_a_body_of_its_name():
    assert set(BODIES) == set(SCHEMA_VERSIONS)
    assert all(body.__name__ == type_ for type_, body in BODIES.items())


@pytest.mark.parametrize("body", [*BODIES.values(), Metadata], ids=lambda body: body.__name__)
def test_each_member_of_a_body_says_what_it_means(body):
    assert all(member.meaning.endswith(".") for member in members_of(body))


@pytest.mark.parametrize("type_", BODIES)
def test_an_example_has_the_members_that_are_required_and_no_unknown_ones(type_):
    required = {member.name for member in members_of(BODIES[type_]) if member.required}

    assert required <= set(EXAMPLES[type_]) <= set(get_type_hints(BODIES[type_]))


def test_the_reference_page_is_generated_from_the_bodies():
    assert PAGE.read_text(encoding="utf-8") == page(), f"write the page anew: {COMMAND}"
