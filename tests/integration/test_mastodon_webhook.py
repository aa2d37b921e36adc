"""A Mastodon server's webhooks, signed by a caller of the tests: what is taken, refused and dropped."""

import json
import os
import re
import shlex
import shutil
import subprocess
import textwrap
import tomllib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import TypeAdapter
from redis.asyncio import Redis

from services.ingest.sources import Sources
from shared import ids
from shared.bus.publisher import connect
from shared.events import PostCorrected, PostDeleted, PostIngested
from tests.support.doors import events, let_in, problem
from tests.support.inside import LocalInside
from tests.support.mastodon import (
    EMAIL,
    INVITE_REQUEST,
    IP,
    MastodonServer,
    admin_account,
    delivery,
    iso,
    report,
    signature,
    signed,
    snowflake,
    status,
)
from tests.support.ombud import ROOT, client
from tests.support.servers import eventually
from tests.support.shapes import Shared, one_process

NEW, OLD = "a secret of the tests, new", "a secret of the tests, old"
LARGEST = 200_000
HOOK = "/v1/mastodon/town"


@pytest.fixture(scope="module")
def server() -> Iterator[MastodonServer]:
    with MastodonServer() as each:
        yield each


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, server: MastodonServer) -> Iterator[Shared]:
    """An Ombud that is connected to a Mastodon server."""
    sources = {
        "town": {
            "kind": "mastodon-webhook",
            "platform": "town.example",
            "secrets": [NEW, OLD],
            "base_url": server.url,
            "rules": {"1": ["racism"]},
        },
        "deaf": {"kind": "mastodon-webhook", "secrets": [NEW]},
        "coral": {"kind": "coral", "secrets": [NEW]},
    }
    folder = tmp_path_factory.mktemp("town")
    given = {"ingest_sources": json.dumps(sources), "ingest_max_webhook_bytes": LARGEST}
    with one_process(folder, **given, log_level="DEBUG", trainer_corrections_per_run=100_000) as running:
        yield running


@pytest.fixture
async def http(town: Shared) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=town.url, timeout=30) as each:
        yield each


@pytest.fixture
async def redis(town: Shared) -> AsyncIterator[Redis]:
    each = connect(town.broker.url)
    yield each
    await each.aclose()


def now() -> datetime:
    return datetime.now(UTC)


def some_status(content: str = "<p>What a match!</p>", **changed: Any) -> dict[str, Any]:
    """Return a status that no other test uses."""
    return status(snowflake(now(), uuid4().int % 65_536), content, **changed)


def post_id(each: dict[str, Any]) -> str:
    return ids.post_id("town.example", each["id"])


async def send(
    http: httpx.AsyncClient, event: str, thing: dict[str, Any], at: datetime | None = None
) -> httpx.Response:
    body = delivery(event, thing, at or now())
    return await http.post(HOOK, content=body, headers=signed(NEW, body))


async def texts(redis: Redis, wanted: str) -> list[str]:
    """Return the texts under which a post was let in, in order."""
    found = [each.data.post for each in await events(redis, "posts.ingested") if isinstance(each.data, PostIngested)]
    return [each.text for each in found if each.post_id == wanted]


async def corrections(redis: Redis, wanted: str) -> list[PostCorrected]:
    found = [each.data for each in await events(redis, "posts.corrected") if isinstance(each.data, PostCorrected)]
    return [each for each in found if each.post_id == wanted]


# -- what is taken ------------------------------------------------------------------------------------------


async def test_a_status_is_taken_once_however_often_it_is_delivered(http: httpx.AsyncClient, redis: Redis) -> None:
    each = some_status("<p>One</p><p>two &amp; three</p>", spoiler_text="Numbers")
    answers = [await send(http, "status.created", each) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [answer.json()["posts"] for answer in answers] == [1, 0, 0]
    assert [answer.json()["duplicate"] for answer in answers] == [False, True, True]
    assert await texts(redis, post_id(each)) == ["Numbers\n\nOne\n\ntwo & three"]


async def test_an_edit_is_another_event_and_another_revision(http: httpx.AsyncClient, redis: Redis) -> None:
    each = some_status("<p>before</p>")
    await send(http, "status.created", each)
    edited = each | {"content": "<p>after</p>", "edited_at": iso(now())}
    assert (await send(http, "status.updated", edited)).json()["posts"] == 1
    assert (await send(http, "status.updated", edited)).json()["duplicate"]
    assert await texts(redis, post_id(each)) == ["before", "after"]


async def test_an_edit_without_words_takes_the_post_away(http: httpx.AsyncClient, redis: Redis) -> None:
    each = some_status("<p>only words</p>")
    await send(http, "status.created", each)
    await send(http, "status.updated", each | {"content": "", "edited_at": iso(now())})
    gone = [event.data for event in await events(redis, "posts.deleted") if isinstance(event.data, PostDeleted)]
    assert post_id(each) in [event.post_id for event in gone]


@pytest.mark.parametrize("changed", [{"reblog": {"id": "1"}}, {"visibility": "direct"}, {"content": ""}], ids=str)
async def test_boosts_private_words_and_bare_pictures_are_answered_and_left(
    changed: dict[str, Any], http: httpx.AsyncClient, redis: Redis
) -> None:
    each, before = some_status(**changed), await let_in(redis)
    answer = await send(http, "status.created", each)
    assert (answer.status_code, answer.json()["posts"]) == (202, 0)
    assert await let_in(redis) == before


async def test_a_text_that_is_too_long_is_counted_as_refused(http: httpx.AsyncClient, redis: Redis) -> None:
    each = some_status("<p>" + "é" * 15_000 + "</p>")
    answer = await send(http, "status.created", each)
    assert (answer.status_code, answer.json()["refused"]) == (202, 1)
    assert await texts(redis, post_id(each)) == []


@pytest.mark.parametrize("event", ["account.created", "account.approved", "account.updated"])
async def test_an_account_is_answered_and_nothing_is_kept(event: str, http: httpx.AsyncClient, redis: Redis) -> None:
    before = await let_in(redis)
    answer = await send(http, event, admin_account(number=uuid4().hex))
    assert (answer.status_code, answer.json()) == (
        202,
        {"posts": 0, "deleted": 0, "refused": 0, "corrections": 0, "duplicate": False},
    )
    assert await let_in(redis) == before


async def test_a_report_takes_its_posts_and_asks_to_look_at_each(
    http: httpx.AsyncClient, redis: Redis, town: Shared
) -> None:
    first, second, private = some_status(), some_status(), some_status(visibility="direct")
    made = report(uuid4().hex, [first, second, private])
    answer = await send(http, "report.created", made)
    assert (answer.json()["posts"], answer.json()["corrections"]) == (2, 2)
    (said,) = await corrections(redis, post_id(first))
    assert (said.standing, said.feedback_type, said.verdict) == ("reporter", "false_negative", "unsure")
    assert (said.expected_categories, said.spoke_about) == (("toxic",), ("toxic",))
    assert said.reviewer not in (None, "bob")
    assert await corrections(redis, post_id(private)) == []
    closed = made | {"action_taken": True, "action_taken_at": iso(now()), "updated_at": iso(now())}
    closed |= {"target_account": admin_account(suspended=True), "rules": [{"id": "1", "text": "Be nice"}]}
    assert (await send(http, "report.updated", closed)).json()["corrections"] == 2
    _, confirmed = await corrections(redis, post_id(first))
    assert (confirmed.verdict, confirmed.spoke_about) == ("incorrect", ("racism",))
    assert (await send(http, "report.updated", closed)).json()["duplicate"]
    async with client(town.url) as admin:

        async def in_the_ledger() -> list[Any]:
            lines = (await admin.get("/api/v1/feedback?limit=1000&ids=true")).json()
            return [each for each in lines if each["id"] == confirmed.correction_id]

        (line,) = await eventually(in_the_ledger)
    assert (line["expected_categories"], line["spoke_about"]) == (["racism"], ["racism"])


async def test_a_report_makes_its_post_need_review(http: httpx.AsyncClient, town: Shared) -> None:
    each = some_status("<p>see you on Sunday</p>")
    await send(http, "report.created", report(uuid4().hex, [each]))
    async with client(town.url) as admin:

        async def found() -> Any:
            answer = await admin.get(f"/v1/posts/{post_id(each)}/status")
            return answer.status_code == 200 and answer.json()["status"] == "needs_review"

        await eventually(found)


# -- what the page for operators says ---------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    """Return the examples of docs/howto/mastodon.md."""
    page = (ROOT / "docs" / "howto" / "mastodon.md").read_text("utf-8")
    return [
        textwrap.dedent(each) for each in re.findall(rf"^ *```{language}\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    ]


def test_the_settings_of_the_page_are_settings() -> None:
    sources = TypeAdapter(Sources)
    found = sources.validate_python(tomllib.loads("\n".join(blocks("toml"))))
    assert {name: each.kind for name, each in found.items()} == {
        "town": "mastodon-webhook",
        "town-timelines": "mastodon",
    }
    (exported,) = [each for each in blocks("sh") if each.startswith("export OMBUD_INGEST_SOURCES=")]
    given = sources.validate_json(shlex.split(exported)[1].partition("=")[2])
    assert given["town"].platform == found["town"].platform == "town.example"


async def test_the_event_that_the_page_signs_is_taken(town: Shared) -> None:
    if not (shutil.which("openssl") and shutil.which("curl") and shutil.which("bash")):
        pytest.skip("needs bash, curl and openssl: the example of the page is NOT checked")
    (example,) = [each for each in blocks("sh") if "openssl" in each]
    example = example.replace("the secret of step 3", NEW)
    answer = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example],
        env={**os.environ, "OMBUD": town.url},
        capture_output=True,
        text=True,
    )
    assert json.loads(answer.stdout) == json.loads(next(each for each in blocks("json") if each.startswith('{"posts"')))


# -- what is refused ----------------------------------------------------------------------------------------


def changed_byte(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    return body.replace(b"match", b"catch"), headers


def with_signature(value: str | None) -> Any:
    def change(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        kept = {name: each for name, each in headers.items() if name != "X-Hub-Signature"}
        return body, kept if value is None else kept | {"X-Hub-Signature": value}

    return change


def with_scheme(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    return body, headers | {"X-Hub-Signature": signature(NEW, body, "sha1")}


def in_upper_case(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    return body, headers | {"X-Hub-Signature": "sha256=" + signature(NEW, body)[7:].upper()}


def by_somebody_else(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    return body, headers | signed("somebody else's secret", body)


def respaced(body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    return json.dumps(json.loads(body), indent=1).encode(), headers


@pytest.mark.parametrize(
    "change",
    [changed_byte, with_signature(None), with_signature(""), with_scheme, in_upper_case, by_somebody_else, respaced],
)
async def test_a_bad_signature_is_401_so_that_mastodon_tries_again(
    change: Any, http: httpx.AsyncClient, redis: Redis
) -> None:
    good = delivery("status.created", some_status(), now())
    body, headers = change(good, signed(NEW, good))
    before = await let_in(redis)
    problem(await http.post(HOOK, content=body, headers=headers), 401, "bad_signature")
    assert await let_in(redis) == before
    assert (await http.post(HOOK, content=good, headers=signed(NEW, good))).json()["posts"] == 1


async def test_both_secrets_count_while_they_are_rotated(http: httpx.AsyncClient) -> None:
    for secret in (NEW, OLD):
        body = delivery("status.created", some_status(), now())
        assert (await http.post(HOOK, content=body, headers=signed(secret, body))).json()["posts"] == 1
    body = delivery("status.created", some_status(), now())
    refused = await http.post("/v1/mastodon/deaf", content=body, headers=signed(OLD, body))
    problem(refused, 401, "bad_signature")


async def test_an_event_is_taken_within_its_window_only(http: httpx.AsyncClient) -> None:
    days = timedelta(seconds=259_200)
    assert (await send(http, "status.created", some_status(), now() - days + timedelta(minutes=1))).status_code == 202
    too_old = await send(http, "status.created", some_status(), now() - days - timedelta(minutes=1))
    problem(too_old, 400, "too_old", "created_at")
    assert (await send(http, "status.created", some_status(), now() + timedelta(minutes=4))).status_code == 202
    too_early = await send(http, "status.created", some_status(), now() + timedelta(minutes=6))
    problem(too_early, 401, "from_the_future", "created_at")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed_json"),
        (b'{"event": "status.created"', "malformed_json"),
        (b"[]", "unknown_shape"),
        (b'{"event": "status.created"}', "unknown_shape"),
        (b'{"event": "status.created", "created_at": "soon", "object": {}}', "unknown_shape"),
        (b'{"text": "what a template made"}', "unknown_shape"),
        (b'{"event": "status.deleted", "created_at": "2026-11-14T12:00:00Z", "object": {}}', "unknown_event"),
    ],
)
async def test_what_is_no_event_is_400(body: bytes, reason: str, http: httpx.AsyncClient) -> None:
    answer = await http.post(HOOK, content=body, headers=signed(NEW, body))
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)


async def test_a_body_that_is_too_large_is_413(http: httpx.AsyncClient) -> None:
    body = delivery("status.created", some_status("x" * LARGEST), now())
    problem(await http.post(HOOK, content=body, headers=signed(NEW, body)), 413, "body_too_large")


@pytest.mark.parametrize("source", ["nobody", "coral"])
async def test_a_source_of_another_name_or_kind_is_404(source: str, http: httpx.AsyncClient) -> None:
    body = delivery("status.created", some_status(), now())
    problem(await http.post(f"/v1/mastodon/{source}", content=body, headers=signed(NEW, body)), 404, "not_found")


async def test_an_overload_is_503_and_the_event_is_taken_when_it_comes_again(tmp_path: Path) -> None:
    sources = {"town": {"kind": "mastodon-webhook", "secrets": [NEW]}}
    given = {"ingest_sources": json.dumps(sources), "ingest_backlog_limit": 2, "bus_sweep_every_s": 0.1}
    with one_process(tmp_path, "ingest", **given) as alone:  # so that nobody handles what waits
        async with httpx.AsyncClient(base_url=alone.url) as http:

            async def full() -> httpx.Response | None:
                answer = await send(http, "status.created", some_status())
                return answer if answer.status_code != 202 else None

            refused = await eventually(full)
            problem(refused, 503, "backlog")
            assert refused.headers["Retry-After"] == "5"
            body = refused.request.content
            with alone.broker.client() as broker:
                broker.xtrim("posts.ingested", maxlen=0)
                for group in ("classifier",):
                    broker.xgroup_setid("posts.ingested", group, "$")

            async def taken() -> Any:
                answer = await http.post(HOOK, content=body, headers=signed(NEW, body))
                return answer.json() if answer.status_code == 202 else None

            assert (await eventually(taken))["posts"] == 1


# -- what is dropped ----------------------------------------------------------------------------------------


async def test_e_mails_addresses_and_requests_are_nowhere(http: httpx.AsyncClient, town: Shared) -> None:
    each, person = some_status("<p>marmoleum everywhere</p>"), uuid4().hex
    assert (await send(http, "account.created", admin_account(number=person))).status_code == 202
    assert (await send(http, "report.created", report(person, [each]))).json()["corrections"] == 1
    broken = delivery("report.created", report(person, [{"id": 1}]), now())
    assert (await http.post(HOOK, content=broken, headers=signed(NEW, broken))).status_code == 400
    inside = LocalInside(town.data_dir, town.broker.url)
    await eventually(lambda: any("reporter" in place for place in inside.places_of("marmoleum")))
    assert any("trainer_corrections" in place for place in inside.places_of(post_id(each)))
    for secret in (EMAIL, IP, INVITE_REQUEST):
        assert inside.places_of(secret) == []
        assert files_with(secret, town.data_dir, town.broker.folder) == []
    assert files_with("marmoleum", town.data_dir, town.broker.folder) != []
    assert files_with("marmoleum", town.data_dir / "ombud.log") == []


def files_with(word: str, *places: Path) -> list[str]:
    """Return every file that holds a word, log and the broker's append-only file among them."""
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    return [str(file) for file in files if word.encode() in file.read_bytes()]


# -- what is gone -------------------------------------------------------------------------------------------


async def test_a_status_that_is_gone_is_deleted_when_somebody_asks(
    town: Shared, http: httpx.AsyncClient, redis: Redis, server: MastodonServer
) -> None:
    there, gone, edited = some_status(), some_status("<p>soon gone</p>"), some_status("<p>before</p>")
    for each in (there, gone, edited):
        await send(http, "status.created", each)
    server.statuses = [there, edited | {"content": "<p>after</p>", "edited_at": iso(now())}]
    asked = {"ids": [there["id"], gone["id"], edited["id"], gone["id"]]}
    async with client(town.url) as admin:
        answer = await admin.post(f"{HOOK}/recheck", json=asked)
    assert answer.status_code == 202
    found = {"there": [there["id"], edited["id"]], "gone": [gone["id"]], "not_asked": [], "edited": 1}
    assert answer.json() == found
    deleted = [each.data for each in await events(redis, "posts.deleted") if isinstance(each.data, PostDeleted)]
    assert post_id(gone) in [each.post_id for each in deleted]
    assert post_id(there) not in [each.post_id for each in deleted]
    assert await texts(redis, post_id(edited)) == ["before", "after"]


async def test_a_server_that_fails_or_forbids_deletes_nothing(
    town: Shared, redis: Redis, server: MastodonServer
) -> None:
    each, before = some_status(), await let_in(redis)
    async with client(town.url) as admin:
        server.forbidden.add(each["id"])
        problem(await admin.post(f"{HOOK}/recheck", json={"ids": [each["id"]]}), 502, "platform_failed")
        server.script += [500]
        problem(await admin.post(f"{HOOK}/recheck", json={"ids": ["1"]}), 502, "platform_failed")
        server.remaining = 1
        answer = await admin.post(f"{HOOK}/recheck", json={"ids": ["1", "2", "3"]})
        server.remaining = 1_000_000
    assert (answer.json()["gone"], answer.json()["not_asked"]) == (["1"], ["2", "3"])
    after = await let_in(redis)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {"posts.deleted": 1}


async def test_asking_again_needs_a_key_and_an_address(town: Shared, http: httpx.AsyncClient) -> None:
    problem(await http.post(f"{HOOK}/recheck", json={"ids": ["1"]}), 401, "no_key")
    async with client(town.url) as admin:
        problem(await admin.post("/v1/mastodon/deaf/recheck", json={"ids": ["1"]}), 409, "no_base_url", "base_url")
        problem(await admin.post("/v1/mastodon/nobody/recheck", json={"ids": ["1"]}), 404, "not_found")
        answer = await admin.post(f"{HOOK}/recheck", json={"ids": []})
        problem(answer, 422, "too_short", "ids")
        answer = await admin.post(f"{HOOK}/recheck", json={"ids": ["1", "../accounts/1"]})
        problem(answer, 422, "string_pattern_mismatch", "ids.1")
