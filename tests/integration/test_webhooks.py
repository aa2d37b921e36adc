"""Messages signed by the Standard Webhooks package itself, in our shape and in shapes that a mapping explains."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis
from standardwebhooks import Webhook

from shared.bus.publisher import connect
from shared.ids import post_id
from tests.support.commands import ombud as run
from tests.support.doors import MARKER, events, problem
from tests.support.ombud import client
from tests.support.servers import eventually
from tests.support.shapes import Shared, one_process

NEW, OLD, FORUM, STRANGER = (f"whsec_{each * 8}" for each in ("bmV3", "b2xk", "Zm9y", "c3Ry"))
MAPPING = {
    "items": "data.comments",
    "event": {"path": "$.event.type", "post": ["created", "edited"], "delete": ["deleted"]},
    "id": "id",
    "text": "body.html",
    "text_is": "html",
    "author": "user.id",
    "url": "$.data.thread.url",
    "language": {"constant": "nl"},
    "reply_to": {"path": "parent", "default": "root"},
}
TOML = f"""
[forum]
kind = "webhook"
platform = "forum.example.org"
secrets = ["{FORUM}"]

[forum.mapping]
items = "data.comments"
id = "id"
text = "body.html"
text_is = "html"
author = "user.id"
url = "$.data.thread.url"
language = {{constant = "nl"}}
reply_to = {{path = "parent", default = "root"}}

[forum.mapping.event]
path = "$.event.type"
post = ["created", "edited"]
delete = ["deleted"]
"""


@dataclass
class Sender:
    """Signs with the third party's own package."""

    http: httpx.AsyncClient
    secret: str = NEW
    path: str = "/api/v1/posts"

    def headers(self, body: str, id: str | None = None, ago_s: float = 0) -> dict[str, str]:
        at = datetime.now(UTC) - timedelta(seconds=ago_s)
        message = id or f"msg_{uuid4().hex}"
        signature = Webhook(self.secret).sign(message, at, body)
        return {
            "webhook-id": message,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
            "Content-Type": "application/json",
        }

    async def send(self, said: Any, id: str | None = None, ago_s: float = 0, **changes: str) -> httpx.Response:
        body = json.dumps(said)
        headers = {name: value for name, value in (self.headers(body, id, ago_s) | changes).items() if value}
        return await self.http.post(self.path, content=body, headers=headers)

    async def posts(self, *posts: dict[str, Any], **how: Any) -> httpx.Response:
        return await self.send({"posts": list(posts)}, **how)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Ingest alone; one source from the environment, one from a file."""
    folder = tmp_path_factory.mktemp("webhooks")
    (folder / "sources.toml").write_text(TOML)
    sources = {"own": {"kind": "webhook", "secrets": [NEW, OLD], "language": "nl"}}
    with one_process(
        folder,
        "ingest",
        log_level="DEBUG",
        ingest_sources=json.dumps(sources),
        ingest_sources_file=folder / "sources.toml",
    ) as running:
        yield running


@pytest.fixture
async def http(door: Shared) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=door.url, timeout=30) as each:
        yield each


@pytest.fixture
async def redis(door: Shared) -> AsyncIterator[Redis]:
    each = connect(door.broker.url)
    yield each
    await each.aclose()


def taken(answer: httpx.Response, accepted: int, duplicates: int = 0, *rejected: tuple[int, str]) -> None:
    """Check an answer, to the last key."""
    assert answer.status_code == 202, answer.text
    refused = [{"index": at, "reason": reason} for at, reason in rejected]
    assert answer.json() == {"accepted": accepted, "duplicates": duplicates, "rejected": refused}


async def texts(redis: Redis, id: str) -> list[str]:
    """Return the texts a post had, in order."""
    return [e.data.post.text for e in await events(redis, "posts.ingested") if e.data.post.external_id == id]


# -- our own shape ------------------------------------------------------------------------------------------


async def test_a_signed_post_is_taken_with_all_it_says(http: httpx.AsyncClient, redis: Redis, name: str) -> None:
    post = {"id": name, "text": "Nice goal!", "lang": "en", "author": "ada", "created_at": "2026-11-20T10:00:00Z"}
    taken(await Sender(http).posts(post | {"url": "https://a.example/1", "context": {"thread": [MARKER]}}), 1)
    (found,) = [e.data.post for e in await events(redis, "posts.ingested") if e.data.post.external_id == name]
    assert (found.platform, found.language, found.url) == ("own", "en", "https://a.example/1")
    assert found.author and found.author != "ada" and found.created_at.isoformat() == "2026-11-20T10:00:00+00:00"
    taken(await Sender(http).posts({"id": f"{name}2", "text": "x"}), 1)
    assert [e.data.post.language for e in await events(redis, "posts.ingested")][-1] == "nl"  # the source's own


async def test_either_secret_counts_during_a_rotation_and_an_unknown_one_does_not(
    http: httpx.AsyncClient, name: str
) -> None:
    taken(await Sender(http, OLD).posts({"id": f"{name}o", "text": "a"}), 1)
    problem(await Sender(http, STRANGER).posts({"id": name, "text": MARKER}), 401, "signature_wrong")


async def test_the_second_of_several_signatures_may_be_the_good_one(http: httpx.AsyncClient, name: str) -> None:
    body = json.dumps({"posts": [{"id": name, "text": "a"}]})
    headers = Sender(http).headers(body)
    other = Webhook(STRANGER).sign(headers["webhook-id"], datetime.now(UTC), body)
    headers["webhook-signature"] = f"v1a,AAAA {other} {headers['webhook-signature']}"
    taken(await http.post("/api/v1/posts", content=body, headers=headers), 1)


@pytest.mark.parametrize(("ago_s", "reason"), [(301, "timestamp_too_old"), (-302, "timestamp_too_new")])
async def test_five_minutes_are_allowed_and_no_more(
    ago_s: float, reason: str, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    post = {"id": name, "text": MARKER}
    problem(await Sender(http).posts(post, ago_s=ago_s), 401, reason)
    assert await texts(redis, name) == []
    taken(await Sender(http).posts(post, ago_s=ago_s - 10 if ago_s > 0 else ago_s + 10), 1)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_without_one_of_its_headers_a_message_is_not_signed(header: str, http: httpx.AsyncClient) -> None:
    answer = await Sender(http).posts({"id": "1", "text": MARKER}, **{header: ""})
    problem(answer, 401, "signature_missing")


@pytest.mark.parametrize("moment", ["soon", "1e9", "-5", "1.5", "0x5", "9" * 30])
async def test_a_time_that_is_no_number_of_seconds_is_refused(moment: str, http: httpx.AsyncClient) -> None:
    answer = await Sender(http).posts({"id": "1", "text": MARKER}, **{"webhook-timestamp": moment})
    problem(answer, 401, "signature_missing")


async def test_the_same_json_in_other_bytes_is_not_what_was_signed(http: httpx.AsyncClient, name: str) -> None:
    body = json.dumps({"posts": [{"id": name, "text": "a"}]})
    headers = Sender(http).headers(body)
    compact = json.dumps(json.loads(body), separators=(",", ":"))
    problem(await http.post("/api/v1/posts", content=compact, headers=headers), 401, "signature_wrong")
    later = headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}
    problem(await http.post("/api/v1/posts", content=body, headers=later), 401, "signature_wrong")
    renamed = headers | {"webhook-id": "msg_other"}
    problem(await http.post("/api/v1/posts", content=body, headers=renamed), 401, "signature_wrong")


async def test_a_replayed_id_is_answered_like_success_and_counts_as_duplicates(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    body = json.dumps({"posts": [{"id": name, "text": "a"}, {"id": f"{name}2", "text": "b"}]})
    headers = Sender(http).headers(body, id=f"msg_{name}")
    taken(await http.post("/api/v1/posts", content=body, headers=headers), 2)
    taken(await http.post("/api/v1/posts", content=body, headers=headers), 0, 2)
    # a retry of the sender's: the same id, signed anew
    taken(await Sender(http).posts({"id": name, "text": "other"}, id=f"msg_{name}", ago_s=-2), 0, 1)
    assert await texts(redis, name) == ["a"]


async def test_the_same_id_and_text_is_a_duplicate_and_another_text_an_edit(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    sender = Sender(http)
    for text, counted in (("a", (1, 0)), ("a", (0, 1)), ("b", (1, 0)), ("a", (1, 0)), ("a", (0, 1))):
        taken(await sender.posts({"id": name, "text": text}), *counted)
    assert await texts(redis, name) == ["a", "b", "a"]
    found = [e.data.post for e in await events(redis, "posts.ingested") if e.data.post.external_id == name]
    assert [each.revision for each in found] == sorted({each.revision for each in found})
    # several states of one post in one message
    states = [{"id": f"{name}s", "text": text} for text in ("x", "y", "y", "x")]
    taken(await sender.posts(*states), 3, 1)
    assert await texts(redis, f"{name}s") == ["x", "y", "x"]


async def test_an_edit_time_of_the_platform_decides_where_there_is_one(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    post = {"id": name, "text": "a", "edited_at": "2026-11-20T10:00:00Z"}
    taken(await Sender(http).posts(post), 1)
    taken(await Sender(http).posts(post | {"text": "b"}), 0, 1)
    taken(await Sender(http).posts(post | {"edited_at": "2026-11-20T10:00:01Z"}), 1)
    assert await texts(redis, name) == ["a", "a"]


async def test_a_deleted_post_is_taken_away(http: httpx.AsyncClient, redis: Redis, name: str) -> None:
    answer = await Sender(http).posts(
        {"id": name, "text": "a"},
        {"id": name, "deleted": True},
        {"id": f"{name}x", "text": f"gone {name}", "deleted": True},
    )
    taken(answer, 3)
    gone = [each.data.post_id for each in await events(redis, "posts.deleted")]
    assert gone[-2:] == [post_id("own", name), post_id("own", f"{name}x")]
    assert not any(f"gone {name}" in str(each) for each in await events(redis, "posts.ingested"))


async def test_a_bad_post_among_good_ones_harms_none(http: httpx.AsyncClient, redis: Redis, name: str) -> None:
    answer = await Sender(http).posts(
        {"id": f"{name}1", "text": "a"},
        {"id": f"{name}2"},
        {"id": f"{name}3", "text": "  "},
        {"id": 4, "text": MARKER},
        {"text": MARKER},
        {"id": f"{name}5", "text": MARKER, "colour": MARKER},
        {"id": f"{name}6", "text": MARKER, "deleted": "yes"},
        {"deleted": True},
        MARKER,  # type: ignore[arg-type]
        {"id": f"{name}7", "text": "a" * 20_481},
        {"id": f"{name}8", "text": "b"},
        {"id": f"{name}9", "text": MARKER, "lang": "dutch!"},
    )
    rejected = [
        (1, "text: missing"),
        (2, "text: text_empty"),
        (3, "id: string_type"),
        (4, "id: missing"),
        (5, "extra_forbidden"),
        (6, "deleted: bool_type"),
        (7, "id: string_type"),
        (8, "not_an_object"),
        (9, "text: text_too_long"),
        (11, "lang: string_pattern_mismatch"),
    ]
    taken(answer, 2, 0, *rejected)
    assert MARKER not in answer.text
    assert [await texts(redis, f"{name}{n}") for n in (1, 8)] == [["a"], ["b"]]


@pytest.mark.parametrize("count", [0, 101])
async def test_a_message_holds_1_to_100_posts(count: int, http: httpx.AsyncClient, name: str) -> None:
    many = [{"id": f"{name}{n}", "text": MARKER} for n in range(count)]
    problem(await Sender(http).posts(*many), 422, "posts_count", "posts")
    if count:
        taken(await Sender(http).posts(*many[:100]), 100)


@pytest.mark.parametrize("said", [[], {}, {"posts": {}}, MARKER, None])
async def test_another_shape_is_422_and_no_json_400(said: Any, http: httpx.AsyncClient) -> None:
    problem(await Sender(http).send(said), 422, "posts_count", "posts")
    body = f'{{"posts": [{MARKER}'
    answer = await http.post("/api/v1/posts", content=body, headers=Sender(http).headers(body))
    problem(answer, 400, "malformed_json")


# -- mapped shapes ------------------------------------------------------------------------------------------


def told(kind: str, *comments: Any) -> dict[str, Any]:
    return {
        "event": {"type": kind},
        "data": {"thread": {"url": "https://forum.example.org/t/1"}, "comments": list(comments)},
    }


def comment(id: Any, html: str = "<p>Hello</p>", **more: Any) -> dict[str, Any]:
    return {"id": id, "body": {"html": html}, "user": {"id": 7}, **more}


async def test_a_foreign_shape_becomes_posts_as_the_mapping_says(
    http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    sender = Sender(http, FORUM, "/v1/webhooks/forum")
    number = uuid4().int >> 70
    taken(await sender.send(told("created", comment(name, "<p>a</p><p>b</p>", parent=5), comment(number))), 2)
    first, second = [e.data.post for e in await events(redis, "posts.ingested")][-2:]
    assert (first.external_id, first.text, first.language) == (name, "a\n\nb", "nl")
    assert (first.platform, first.url) == ("forum.example.org", "https://forum.example.org/t/1")
    assert second.external_id == str(number) and first.author == second.author
    assert first.reply_to == post_id("forum.example.org", "5")
    assert second.reply_to == post_id("forum.example.org", "root")

    taken(await sender.send(told("edited", comment(name, "c"), comment(number))), 1, 1)
    assert await texts(redis, name) == ["a\n\nb", "c"]
    taken(await sender.send(told("deleted", {"id": number})), 1)
    assert (await events(redis, "posts.deleted"))[-1].data.post_id == post_id("forum.example.org", str(number))


async def test_other_event_types_are_passed_over_and_what_lacks_is_refused(http: httpx.AsyncClient, name: str) -> None:
    sender = Sender(http, FORUM, "/v1/webhooks/forum")
    taken(await sender.send(told("liked", comment(name))), 0)
    taken(await sender.send({"event": {"type": "ping"}}), 0)
    taken(await sender.send({"event": {"type": ["created"]}, "data": {"comments": [comment(name)]}}), 0)
    answer = await sender.send(told("created", comment(name), {"id": "x"}, comment(True), comment({"a": MARKER}), 5))
    rejected = [(1, "text: missing"), (2, "id: string_type"), (3, "id: string_type"), (4, "id: string_too_short")]
    assert answer.status_code == 202 and MARKER not in answer.text
    assert answer.json()["accepted"] == 1
    assert [(each["index"], each["reason"]) for each in answer.json()["rejected"]] == rejected
    taken(await sender.send(told("deleted", {"id": ""}, {"id": [MARKER]}, {})), 0, 0, *(
        (0, "id: string_too_short"), (1, "id: string_type"), (2, "id: string_too_short")
    ))  # fmt: skip
    problem(await sender.send({"event": {"type": "created"}, "data": MARKER}), 422, "items_count", "data.comments")
    problem(await sender.send(told("created", *[comment(n) for n in range(1001)])), 422, "items_count", "data.comments")


async def test_a_source_takes_only_what_its_own_secret_signed(http: httpx.AsyncClient, name: str) -> None:
    problem(await Sender(http, NEW, "/v1/webhooks/forum").send(told("created", comment(name))), 401, "signature_wrong")
    for path in ("/v1/webhooks/own", "/v1/webhooks/nobody"):  # one has no mapping, one is none
        problem(await Sender(http, NEW, path).send(told("created", comment(name))), 404, "not_found")


# -- limits -------------------------------------------------------------------------------------------------


async def test_behind_a_backlog_a_message_is_429_and_nothing_of_it_counts_as_taken(tmp_path: Path) -> None:
    sources = json.dumps({"own": {"kind": "webhook", "secrets": [NEW]}})
    limits = {"ingest_backlog_limit": 2, "ingest_retry_after_s": 3, "bus_sweep_every_s": 0.2}
    with one_process(tmp_path, "ingest", ingest_sources=sources, **limits) as running:
        async with client(running.url) as http:
            sender = Sender(http)
            taken(await sender.posts(*({"id": str(n), "text": "a"} for n in range(3))), 3)
            await asyncio.sleep(1)  # the backlog is looked at five times a second
            refused = await sender.posts({"id": "late", "text": MARKER}, id="msg_late")
            problem(refused, 429, "backlog")
            assert refused.headers["retry-after"] == "3"
            running.broker.client().delete("posts.ingested")

            async def welcome() -> bool:
                return (await sender.posts({"id": "late", "text": "a"}, id="msg_late")).json().get("accepted") == 1

            await eventually(welcome, 20, 0.5)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kind": "webhook", "secrets": ["plain-secret-value-of-mine"]}, "a secret is whsec_ and the base64"),
        ({"kind": "webhook", "secrets": ["whsec_c2hvcnQ="]}, "at least 24 bytes"),
        ({"kind": "webhook", "secrets": [NEW], "mapping": {"id": "a..b", "text": "t"}}, "mapping.id.path"),
        ({"kind": "webhook", "secrets": [NEW], "mapping": {"id": "a"}}, "say where the text stands"),
        ({"kind": "webhook", "secrets": [NEW], "mapping": {"id": {"constant": "1"}, "text": "t"}}, "give a path"),
        ({"kind": "webhook", "secrets": [NEW], "mapping": MAPPING | {"event": {"path": "t"}}}, "at least one type"),
        ({"kind": "webhook", "secrets": [NEW], "mapping": MAPPING | {"colour": "c"}}, "mapping.colour"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
async def test_a_wrong_source_stops_the_start_and_is_named_without_its_secret(
    source: dict[str, Any], said: str, tmp_path: Path
) -> None:
    given = json.dumps({"mine": source})
    done = await run("run", "ingest", data_dir=tmp_path, redis_url="redis://127.0.0.1:1", ingest_sources=given)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr and "mine" in done.stdout + done.stderr
    for secret in source["secrets"]:
        assert secret not in done.stdout + done.stderr


async def test_no_text_and_no_secret_reaches_the_log(http: httpx.AsyncClient, door: Shared, name: str) -> None:
    await Sender(http).posts({"id": "1", "text": name}, {"id": "2", "text": name, "colour": name}, {"id": name})
    await Sender(http, FORUM, "/v1/webhooks/forum").send(told("created", comment("3", name), comment([name])))
    for secret in (name, NEW, OLD, FORUM):
        assert secret not in door.log
