"""Every answer says what may keep it, and a read that has not changed is 304."""

import pytest

RUN = "/acme/runs/7"


async def test_read_may_be_kept_by_its_client_alone_and_is_revalidated(client, bearer):
    answer = await client.get(RUN, headers=bearer)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = await client.get(RUN, headers=bearer | {"If-None-Match": answer.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    for name in ("ETag", "Cache-Control", "Flowledger-Position"):
        assert again.headers[name] == answer.headers[name]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("{tag}", 304),
        ('"other", {tag}', 304),
        ("{strong}", 304),
        ("*", 304),
        ('"other"', 200),
        ("", 200),
        ("{bare}", 200),
    ],
)
async def test_if_none_match_is_compared_weakly(client, bearer, given, status):
    tag = (await client.get(RUN, headers=bearer)).headers["ETag"]
    strong = tag.removeprefix("W/")
    text = given.format(tag=tag, strong=strong, bare=strong.strip('"'))
    assert (await client.get(RUN, headers=bearer | {"If-None-Match": text})).status == status


async def test_other_content_has_another_tag(client, bearer):
    tags = [(await client.get(f"/acme/runs/{n}", headers=bearer)).headers["ETag"] for n in (7, 8)]
    assert tags[0] != tags[1]
    answer = await client.get("/acme/runs/8", headers=bearer | {"If-None-Match": tags[0]})
    assert answer.status == 200


async def test_head_has_the_headers_of_get(client, bearer):
    got, headed = await client.get(RUN, headers=bearer), await client.head(RUN, headers=bearer)
    assert headed.headers["ETag"] == got.headers["ETag"]
    again = await client.head(RUN, headers=bearer | {"If-None-Match": got.headers["ETag"]})
    assert again.status == 304


async def test_everything_else_may_be_kept_by_nobody(client, bearer):
    answers = [
        await client.get(RUN),
        await client.get("/acme/nothing", headers=bearer),
        await client.get("/nowhere"),
        await client.post("/acme/runs", headers=bearer, json={}),
        await client.delete("/acme/runs", headers=bearer),
        await client.get("/acme/ping"),
    ]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store", answer.url
        assert "ETag" not in answer.headers


async def test_pages_of_nobody_in_particular_may_be_kept_by_all(client):
    for path in ("/openapi.yaml", "/docs"):
        assert (await client.get(path)).headers["Cache-Control"] == "no-cache"


async def test_stranger_who_knows_a_tag_is_refused(client, bearer):
    tag = (await client.get(RUN, headers=bearer)).headers["ETag"]
    assert (await client.get(RUN, headers={"If-None-Match": tag})).status == 401


async def test_answer_to_a_write_has_no_tag_whatever_was_asked(client, bearer):
    answer = await client.post("/acme/runs", headers=bearer | {"If-None-Match": "*"}, json={})
    assert answer.status == 201
    assert answer.headers["Cache-Control"] == "no-store"
