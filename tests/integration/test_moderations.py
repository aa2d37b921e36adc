"""OpenAI's own client asks for moderations with nothing changed but its base URL."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types import ModerationCreateResponse

from shared.perspective import IDENTITIES
from tests.support.doors import MARKER, let_in
from tests.support.ombud import KEY, client
from tests.support.shapes import Shared, one_process

RUDE, KIND = "You are a stupid idiot and nobody wants you here.", "Thank you all for a lovely afternoon."
UNSUPPORTED = {
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence/graphic",
}


def theirs(url: str, key: str = KEY, retries: int = 0) -> AsyncOpenAI:
    return AsyncOpenAI(api_key=key, base_url=f"{url}/v1", max_retries=retries)


@pytest.fixture
async def openai_client(ombud: Shared) -> AsyncIterator[AsyncOpenAI]:
    async with theirs(ombud.url) as each:
        yield each


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """An Ombud that lets a key ask once in two seconds."""
    with one_process(
        tmp_path_factory.mktemp("hurried"), classifier_requests_per_s=0.5, classifier_open_predict="true"
    ) as running:
        yield running


async def test_each_string_has_a_result_and_the_model_is_ours(
    openai_client: AsyncOpenAI, http: httpx.AsyncClient
) -> None:
    answer = await openai_client.moderations.create(model="omni-moderation-latest", input=[RUDE, KIND])
    rude, kind = answer.results
    assert answer.id.startswith("modr-")
    assert answer.model == (await http.get("/v1/categories")).json()["model"]
    assert rude.category_scores.harassment > kind.category_scores.harassment
    scores = (await http.post("/predict", json={"inputs": RUDE})).json()["scores"]
    assert rude.category_scores.harassment == max(scores["insult"], scores["toxic"])
    assert rude.category_scores.violence == rude.category_scores.harassment_threatening == scores["threat"]
    hate = max(scores[name] for name in ("hate_speech", *IDENTITIES, "dehumanization") if name in scores)
    assert rude.category_scores.hate == hate
    assert rude.category_scores.hate_threatening == min(hate, scores["threat"])
    assert rude.flagged == any(value for value in rude.categories.model_dump().values() if value)


async def test_one_string_and_a_list_of_parts_have_one_result_and_no_part_hides_another(
    openai_client: AsyncOpenAI,
) -> None:
    one = await openai_client.moderations.create(input=RUDE)
    parts = await openai_client.moderations.create(
        input=[{"type": "text", "text": KIND}, {"type": "text", "text": RUDE}]
    )
    assert len(one.results) == len(parts.results) == 1
    assert parts.results[0].category_scores.harassment == one.results[0].category_scores.harassment


async def test_the_answer_passes_openais_own_types_with_every_key_and_names_what_we_cannot_score(
    http: httpx.AsyncClient,
) -> None:
    body = (await http.post("/v1/moderations", json={"input": RUDE})).json()
    answer = ModerationCreateResponse.model_validate(body)
    (result,) = body["results"]
    keys = set(result["categories"])
    assert len(keys) == 13 and keys == set(result["category_scores"]) == set(result["category_applied_input_types"])
    assert set(result["unsupported_categories"]) >= UNSUPPORTED
    assert answer.results[0].model_extra == {"unsupported_categories": result["unsupported_categories"]}
    for name in keys:
        applied = result["category_applied_input_types"][name]
        assert applied == ([] if name in result["unsupported_categories"] else ["text"])
        if not applied:
            assert (result["categories"][name], result["category_scores"][name]) == (False, 0.0)
    for broken in ({"sexual": None}, {}):
        result["category_scores"] = broken
        with pytest.raises(ValueError, match="validation error"):
            ModerationCreateResponse.model_validate(body)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "empty_string"),
        (" \n", "empty_string"),
        ([], "missing_required_parameter"),
        ([KIND, ""], "empty_string"),
        (["a"] * 2_001, "array_above_max_length"),
        (MARKER + "é" * 10_241, "string_above_max_length"),
        ([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}], "unsupported_input_type"),
        ([{"type": "text", "text": MARKER}, {"type": "image_url", "image_url": {"url": "data:,"}}], None),
        ([{"type": "text"}], "invalid_type"),
        ([MARKER, {"type": "text", "text": "a"}], "invalid_type"),
        (5, "invalid_type"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_input_is_a_bad_request(given: Any, code: str | None, openai_client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await openai_client.moderations.create(input=given)
    error: Any = caught.value
    assert (error.status_code, error.param, error.type) == (400, "input", "invalid_request_error")
    assert error.code == (code or "unsupported_input_type")
    assert MARKER not in error.response.text


async def test_two_thousand_texts_are_scored_in_order(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.moderations.create(input=[RUDE if n % 7 == 0 else KIND for n in range(2_000)])
    rude = answer.results[0].category_scores.harassment
    assert [each.category_scores.harassment == rude for each in answer.results] == [n % 7 == 0 for n in range(2_000)]


async def test_a_bad_key_and_one_without_the_right_are_refused(
    ombud: Shared, http: httpx.AsyncClient, name: str
) -> None:
    made = (await http.post("/v1/keys", json={"name": name, "scopes": ["read"]})).json()["key"]
    async with theirs(ombud.url, f"ombud_{name}") as bad:
        with pytest.raises(openai.AuthenticationError) as caught:
            await bad.moderations.create(input=MARKER)
    assert (caught.value.code, caught.value.type) == ("invalid_api_key", "invalid_request_error")
    async with theirs(ombud.url, made) as weak:
        with pytest.raises(openai.PermissionDeniedError):
            await weak.moderations.create(input=MARKER)
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        answer = await anybody.post("/v1/moderations", json={"input": MARKER})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert MARKER not in answer.text


async def test_what_is_no_json_is_refused_in_openais_envelope(http: httpx.AsyncClient) -> None:
    for body in (b'{"input": "zwunderquast', b"[" * 50_000, b"\xff", b"[]", b"null", b'{"model": 5, "input": "a"}'):
        answer = await http.post("/v1/moderations", content=body)
        assert answer.status_code == 400, body[:20]
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
        assert MARKER not in answer.text
    answer = await http.post("/v1/moderations", content=b" " * 1_048_577)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


async def test_a_key_that_asks_too_often_is_told_when_to_come_back(hurried: Shared, name: str) -> None:
    async with client(hurried.url) as http:
        keys = [
            (await http.post("/v1/keys", json={"name": f"{name} {n}", "scopes": ["score"]})).json()["key"]
            for n in range(2)
        ]
    async with theirs(hurried.url, keys[0]) as strict:
        await strict.moderations.create(input=KIND)
        with pytest.raises(openai.RateLimitError) as caught:
            await strict.moderations.create(input=KIND)
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) < 120
    async with theirs(hurried.url, keys[1], retries=2) as patient:
        for _ in range(2):
            await patient.moderations.create(input=KIND)


async def test_an_operator_may_open_predict_and_only_that_to_everybody(hurried: Shared) -> None:
    async with httpx.AsyncClient(base_url=hurried.url) as anybody:
        assert (await anybody.post("/predict", json={"inputs": KIND})).status_code == 200
        assert (await anybody.post("/predict", json={"inputs": KIND})).status_code == 429
        assert (await anybody.post("/try", json={"text": KIND})).status_code == 401


async def test_nothing_is_stored_or_logged(openai_client: AsyncOpenAI, ombud: Shared, redis: Any, name: str) -> None:
    before = await let_in(redis)
    await openai_client.moderations.create(input=[name, f"{name} again"])
    assert await let_in(redis) == before
    assert name not in ombud.log
