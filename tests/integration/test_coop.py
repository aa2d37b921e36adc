"""Coop's callbacks over HTTP, signed as Coop does: what becomes a correction, what does not, what is refused."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from services.ingest.settings import IngestSettings
from shared import ids
from shared.bus.publisher import connect
from tests.support.ombud import client
from tests.support.servers import eventually
from tests.support.shapes import Shared, one_process

COOP, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
SHORT = """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf
9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==
-----END PUBLIC KEY-----
"""
EMAIL = "moderator.quizzel@mail.example"
ANYBODY = {"policies": [{"id": "slurs", "name": "Slurs", "penalty": "HIGH"}], "actorEmail": EMAIL}


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signed(body: bytes, key: rsa.RSAPrivateKey = COOP) -> dict[str, str]:
    return {"Coop-Signature": base64.b64encode(key.sign(body, PKCS1v15(), SHA256())).decode()}


@pytest.fixture(scope="module")
def ombud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """An Ombud that a Coop is connected to, in both directions."""
    source = {
        "kind": "coop",
        "platform": "forum",
        "public_keys": [pem(COOP)],
        "type_ids": ["posts"],
        "policies": {"slurs": ["racism", "hate_speech"], "spam": []},
        "actions": {"mark-insult": ["insult"]},
        "approving": ["approve"],
    }
    outlet = {
        "kind": "coop",
        "platform": "forum",
        "base_url": "http://127.0.0.1:1",
        "api_key": "k",
        "type_id": "posts",
        "public_keys": [pem(COOP)],
    }
    given = {
        "ingest_sources": json.dumps({"coop": source}),
        "reporter_outlets": json.dumps({"coop": outlet}),
        "trainer_corrections_per_run": 100_000,
    }
    with one_process(tmp_path_factory.mktemp("coop"), log_level="DEBUG", **given) as running:
        yield running


@pytest.fixture
async def http(ombud: Shared) -> AsyncIterator[httpx.AsyncClient]:
    async with client(ombud.url) as each:
        yield each


async def post(http: httpx.AsyncClient, text: str = "What a lovely day") -> str:
    """Bring a post of the forum in and return its id there."""
    name = uuid4().hex
    answer = await http.post("/v1/posts", json={"platform": "forum", "external_id": name, "text": text})
    assert answer.status_code == 202
    post_id = ids.post_id("forum", name)

    async def scored() -> bool:
        return (await http.get(f"/v1/posts/{post_id}/history")).status_code == 200

    await eventually(scored)
    return name


async def call(http: httpx.AsyncClient, path: str, said: dict[str, Any]) -> httpx.Response:
    body = json.dumps(said, indent=1).encode()
    return await http.post(f"/v1/coop/coop/{path}", content=body, headers=signed(body))


def action(name: str, *, what: str = "remove", kind: str = "posts", **more: Any) -> dict[str, Any]:
    return {"item": {"id": name, "typeId": kind}, "action": {"id": what}, "policies": [], **more}


async def status(http: httpx.AsyncClient, name: str) -> Any:
    return (await http.get(f"/v1/posts/{ids.post_id('forum', name)}/history")).json()


async def test_a_moderator_s_action_flags_the_post_and_a_granted_appeal_clears_it(
    ombud: Shared, http: httpx.AsyncClient
) -> None:
    name = await post(http)
    said = action(name, actorNote=f"{EMAIL} looked", creator={"id": "u1", "typeId": "user"}, **ANYBODY)
    answer = await call(http, "actions", said)
    assert (answer.status_code, answer.json()) == (202, {"corrections": 1, "duplicate": False})
    assert (await call(http, "actions", said)).json() == {"corrections": 0, "duplicate": True}

    async def stands(wanted: str) -> bool:
        return bool((await status(http, name))["record"]["status"] == wanted)

    await eventually(lambda: stands("flagged"))
    redis = connect(ombud.broker.url)
    raw = b"".join(value for _, fields in await redis.xrange("posts.corrected") for value in fields.values())
    await redis.aclose()
    assert EMAIL.encode() not in raw and b"looked" not in raw
    appeal = {"appealId": uuid4().hex, "item": said["item"], "appealedBy": {"id": "u1", "typeId": "user"}}
    assert (await call(http, "appeals", appeal | {"appealDecision": "REJECT"})).json()["corrections"] == 0
    assert (await call(http, "appeals", appeal | {"appealDecision": "ACCEPT"})).json()["corrections"] == 1
    await eventually(lambda: stands("cleared"))


@pytest.mark.parametrize(
    ("said", "corrections"),
    [
        ({"what": "mark-insult", "actorEmail": EMAIL}, 1),
        ({"what": "approve", "actorEmail": EMAIL}, 1),
        (ANYBODY | {"policies": [{"id": "unheard of"}]}, 1),
        (ANYBODY | {"policies": [{"id": "spam"}]}, 0),
        (ANYBODY | {"rules": [{"id": "r1", "name": "a rule"}]}, 0),
        ({"policies": ANYBODY["policies"]}, 0),
        ({}, 0),
        (ANYBODY | {"kind": "user"}, 0),
    ],
    ids=["mapped action", "approving", "unmapped policy", "not about words", "a rule", "nobody", "strikes", "a user"],
)
async def test_only_a_person_s_word_on_what_a_post_says_is_a_correction(
    said: dict[str, Any], corrections: int, http: httpx.AsyncClient
) -> None:
    answer = await call(http, "actions", action(uuid4().hex, **said))
    assert (answer.status_code, answer.json()["corrections"]) == (202, corrections)


async def test_a_callback_that_is_not_signed_as_coop_does_is_refused(http: httpx.AsyncClient) -> None:
    body = json.dumps(action(uuid4().hex, **ANYBODY)).encode()
    good = signed(body)["Coop-Signature"]
    for headers in (
        {},
        {"Coop-Signature": ""},
        signed(body, OTHER),
        {"Coop-Signature": f"t=1234567890,v1={good}"},
        signed(body + b" "),
    ):
        for path in ("/v1/coop/coop/actions", "/v1/coop/coop/appeals", "/v1/outlets/coop/items"):
            answer = await http.post(path, content=body, headers=headers)
            assert (answer.status_code, answer.json()["reason"]) == (401, "bad_signature"), (path, headers)
    assert (await http.post("/v1/coop/none/actions", content=body, headers=signed(body))).status_code == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"item": {"id": "x"}}', b'{"appealId": "a"}'])
async def test_what_is_no_callback_is_400(body: bytes, http: httpx.AsyncClient) -> None:
    for path in ("actions", "appeals"):
        assert (await http.post(f"/v1/coop/coop/{path}", content=body, headers=signed(body))).status_code == 400


async def test_coop_may_ask_for_posts_behind_items_and_hears_nothing_of_others(http: httpx.AsyncClient) -> None:
    name, gone = await post(http, "Soup is good"), await post(http, "Soup was good")
    await http.delete(f"/v1/posts/{ids.post_id('forum', gone)}")
    asked = [{"id": each, "typeId": "posts"} for each in (name, gone, "unheard of")]
    asked.append({"id": name, "typeId": "user"})
    body = json.dumps({"items": asked}).encode()

    async def told() -> bool:
        answer = await http.post("/v1/outlets/coop/items", content=body, headers=signed(body))
        assert answer.status_code == 200
        return bool(answer.json() == {"items": [{"id": name, "typeId": "posts", "data": {"text": "Soup is good"}}]})

    await eventually(told)


@pytest.mark.parametrize("keys", [[], ["no key"], [SHORT]])
def test_a_key_that_is_none_or_too_short_stops_the_start(keys: list[str]) -> None:
    with pytest.raises(ValidationError, match="public_keys"):
        IngestSettings(sources={"coop": {"kind": "coop", "public_keys": keys}})
