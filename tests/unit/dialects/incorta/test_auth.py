"""What a refused token looks like in the answer."""

from __future__ import annotations

import pytest

from service.dialects.incorta.auth import mask


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("Bearer 3f9ac81e77d20b64", "3f9a****"),
        ("Bearer short", "****"),
        ("Bearer", "****"),
        ("Basic dXNlcjpwYXNzd29yZHMgYXJlIHNlY3JldA==", "dXNl****"),
        ("Bearer ünïcödé-tökén-öf-löng", "****"),
        ("", ""),
    ],
)
def test_token_is_masked_except_its_beginning(header, shown):
    assert mask(header) == shown
