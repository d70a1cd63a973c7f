"""The idempotency key of a start: one header, or none."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from service.errors import BadRequest
from service.http.start_run import idempotency_key


def test_a_second_idempotency_key_is_refused_whatever_it_says():
    for second in ("a", "b"):
        headers = CIMultiDict([("Idempotency-Key", "a"), ("idempotency-key", second)])
        with pytest.raises(BadRequest, match="once"):
            idempotency_key(make_mocked_request("POST", "/", headers=headers))
