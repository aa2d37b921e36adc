"""Google's own client finds comments:suggestscore by discovery and says what scores should be."""

import json
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from googleapiclient.discovery import build, build_from_document
from googleapiclient.errors import HttpError, UnknownApiNameOrVersion
from redis.asyncio import Redis

from services.classifier import discovery
from shared.events import PostCorrected
from shared.vocabulary import CATEGORIES, Verdict
from tests.support.coral import suggested
from tests.support.doors import MARKER, events
from tests.support.google import google
from tests.support.ombud import KEY
from tests.support.shapes import Shared

EMPTY, LONG = "COMMENT_EMPTY", "COMMENT_TOO_LONG"


@pytest.fixture(autouse=True)
def sockets_of_httplib2() -> Iterator[None]:
    """Google's transport leaves its sockets to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


@pytest.fixture
def comments(ombud: Shared) -> Iterator[Any]:
    with google(ombud) as service:
        yield service.comments()


def suggest(comments: Any, body: dict[str, Any]) -> dict[str, Any]:
    return dict(comments.suggestscore(body=body).execute())


def scores(**values: float) -> dict[str, Any]:
    return {name: {"summaryScore": {"value": value}} for name, value in values.items()}


def refused(comments: Any, body: dict[str, Any]) -> HttpError:
    with pytest.raises(HttpError) as caught:
        suggest(comments, body)
    assert MARKER not in str(caught.value.content)
    return caught.value


@pytest.fixture
async def last(redis: Redis) -> Callable[[], Awaitable[PostCorrected]]:
    async def newest() -> PostCorrected:
        found: PostCorrected = (await events(redis, "posts.corrected"))[-1].data
        return found

    return newest


async def test_an_approved_comment_says_not_toxic_and_nothing_of_the_other_eleven(
    comments: Any, last: Any, name: str
) -> None:
    answer = suggest(comments, suggested(f"Perfectly fine words, said kindly by {name}", name, 0))
    assert answer == {"detectedLanguages": ["en"], "requestedLanguages": ["en"], "clientToken": f"comment:{name}"}
    said = await last()
    assert said.text.endswith(name) and said.post_id is None
    assert (said.spoke_about, said.expected_categories, said.weak) == (("toxic",), (), None)


async def test_a_rejected_comment_says_toxic_and_that_this_is_weak(comments: Any, last: Any, name: str) -> None:
    suggest(comments, suggested(f"Koop nu goedkope horloges bij ons in de winkel {name}", name, 1))
    said = await last()
    assert (said.spoke_about, said.expected_categories, said.weak) == (("toxic",), ("toxic",), True)
    assert said.verdict is Verdict.INCORRECT
    assert said.language == "nl"  # Coral says en of every language it does not know


@pytest.mark.parametrize(
    ("given", "spoke_about", "expected"),
    [
        (scores(INSULT=1, THREAT=0), {"insult", "threat"}, {"insult"}),
        (scores(SEVERE_TOXICITY=0), {"threat", "hate_speech", "dehumanization", "extremism"}, set()),
        (scores(SEVERE_TOXICITY=1), {"toxic"}, {"toxic"}),
        (scores(IDENTITY_ATTACK=1), {"hate_speech"}, {"hate_speech"}),
        (scores(IDENTITY_ATTACK=0), {*CATEGORIES[2:8], "ableism"}, set()),
        (scores(IDENTITY_ATTACK=0, RACISM=1), {*CATEGORIES[2:8], "ableism"}, {"racism"}),
        (scores(TOXICITY_EXPERIMENTAL=0.2), {"toxic"}, set()),
        ({"TOXICITY@6": {"summaryScore": {"value": 0.9, "type": "PROBABILITY"}}}, {"toxic"}, {"toxic"}),
        (scores(ABLEISM=1, DEHUMANIZATION=0), {"ableism", "dehumanization"}, {"ableism"}),
        (scores(APPROVED=1), {"toxic"}, set()),  # Coral before 9
        (scores(DELETED=1), {"toxic"}, {"toxic"}),
    ],
    ids=str,
)
async def test_each_attribute_says_what_the_table_says(
    given: dict[str, Any], spoke_about: set[str], expected: set[str], comments: Any, last: Any, name: str
) -> None:
    suggest(comments, suggested(f"words {name}", name, 0, attributeScores=given))
    said = await last()
    assert said.text == f"words {name}"
    assert (set(said.spoke_about), set(said.expected_categories)) == (spoke_about, expected)


async def test_the_same_word_counts_once_and_the_newest_wins(comments: Any, redis: Redis, last: Any, name: str) -> None:
    before = await redis.xlen("posts.corrected")
    for value in (0, 0, 1, 1, 0, 0):
        suggest(comments, suggested(name, name, value))
    assert await redis.xlen("posts.corrected") == before + 3
    said = [each.data for each in await events(redis, "posts.corrected")][-3:]
    assert [each.expected_categories for each in said] == [(), ("toxic",), ()]
    assert [each.corrected_at for each in said] == sorted(each.corrected_at for each in said)
    # another community's comment of the same id is another one; without a token the text is what counts
    suggest(comments, suggested(name, name, 0, communityId="Coral:https://other.example.org/"))
    for text in (f"{name} a", f"{name} b", f"{name} a"):
        suggest(comments, {"comment": {"text": text}, "attributeScores": scores(TOXICITY=0)})
    assert await redis.xlen("posts.corrected") == before + 6


async def test_the_answer_without_a_token_has_none(comments: Any) -> None:
    answer = suggest(comments, {"comment": {"text": "ok"}, "attributeScores": scores(TOXICITY=0)})
    assert answer == {"detectedLanguages": [], "requestedLanguages": []}


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"comment": {"text": ""}}, EMPTY, "Comment must be non-empty."),
        ({"comment": {"text": " \n"}}, EMPTY, "Comment must be non-empty."),
        ({"comment": {}}, EMPTY, "Comment must be non-empty."),
        ({"comment": {"text": "é" * 10_241}}, LONG, "Comment text too long."),
        ({"comment": {"text": MARKER, "type": "HTML"}}, "INVALID_REQUEST", "PLAIN_TEXT"),
        ({"attributeScores": {}}, "INVALID_REQUEST", "Missing attribute_scores"),
        ({"attributeScores": {"TOXICITY": {}}}, "INVALID_REQUEST", "Missing summary_score"),
        ({"attributeScores": scores(SPAM=1)}, "INVALID_REQUEST", "Unknown requested attribute: SPAM"),
        ({"attributeScores": scores(PROFANITY=1)}, "INVALID_REQUEST", "Unknown requested attribute: PROFANITY"),
        ({"attributeScores": {MARKER + " <": {"summaryScore": {"value": 1}}}}, "INVALID_REQUEST", "(not a name)"),
        ({"attributeScores": scores(TOXICITY=1.5)}, "INVALID_REQUEST", "attributeScores"),
        ({"attributeScores": scores(TOXICITY=-1)}, "INVALID_REQUEST", "attributeScores"),
        ({"attributeScores": [MARKER]}, "INVALID_REQUEST", "attributeScores"),
        ({"languages": [MARKER * 9]}, "INVALID_REQUEST", "languages"),
        ({"languages": "en"}, "INVALID_REQUEST", "languages"),
        ({"context": {"entries": [], "articleAndParentComment": {}}}, "INVALID_REQUEST", "one context"),
    ],
    ids=str,
)
async def test_a_wrong_suggestion_is_refused_in_googles_words(
    change: dict[str, Any], kind: str, said: str, comments: Any, redis: Redis, name: str
) -> None:
    before = await redis.xlen("posts.corrected")
    error = refused(comments, suggested(MARKER, name, 1) | change)
    assert error.resp.status == 400
    assert error.error_details[0]["errorType"] == kind
    assert error.error_details[0]["@type"] == "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
    assert said in error.reason
    body = json.loads(error.content)["error"]
    assert (body["code"], body["status"]) == (400, "INVALID_ARGUMENT")
    assert await redis.xlen("posts.corrected") == before


async def test_a_bad_key_no_key_and_a_key_without_the_right_are_refused_in_googles_words(
    ombud: Shared, http: httpx.AsyncClient, redis: Redis, name: str
) -> None:
    made = (await http.post("/v1/keys", json={"name": name, "scopes": ["score"]})).json()["key"]
    before = await redis.xlen("posts.corrected")
    for key, status, word in (
        (f"ombud_{name}", 400, "INVALID_ARGUMENT"),
        (None, 403, "PERMISSION_DENIED"),
        (made, 403, "PERMISSION_DENIED"),
    ):
        with google(ombud, key) as service:
            error = refused(service.comments(), suggested(MARKER, name, 1))
        body = json.loads(error.content)["error"]
        assert (error.resp.status, body["code"], body["status"]) == (status, status, word)
        if status == 400:
            assert error.reason == "API key not valid. Please pass a valid API key."
            assert error.error_details[0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
            assert error.error_details[0]["reason"] == "API_KEY_INVALID"
    assert await redis.xlen("posts.corrected") == before


async def test_a_key_in_googles_header_counts_too(ombud: Shared, name: str) -> None:
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        url = "/v1alpha1/comments:suggestscore"
        sent = {"json": suggested("ok", name, 0)}
        assert (await anybody.post(url, **sent, headers={"X-Goog-Api-Key": KEY})).status_code == 200
        assert (await anybody.post(url, **sent, headers={"Authorization": f"Bearer {KEY}"})).status_code == 403


async def test_no_json_is_refused_in_googles_envelope(ombud: Shared) -> None:
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        for body in (b'{"comment": "zwunderquast', b"[" * 50_000, b"\xff", b"[]", b"null"):
            answer = await anybody.post(f"/v1alpha1/comments:suggestscore?key={KEY}", content=body)
            assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
            assert answer.json()["error"]["details"][0]["errorType"] == "INVALID_REQUEST"
            assert MARKER not in answer.text


async def test_the_document_names_our_own_address_and_another_version_does_not_exist(ombud: Shared) -> None:
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        found = (await anybody.get(f"{discovery.PATH}?version=v1alpha1&key={KEY}")).json()
        assert found["rootUrl"] == f"{ombud.url}/" and "auth" not in found
        other = await anybody.get(f"{discovery.PATH}?version=v2")
    assert (other.status_code, other.json()["error"]["status"]) == (404, "NOT_FOUND")
    with pytest.raises(UnknownApiNameOrVersion):
        build("commentanalyzer", "v2", discoveryServiceUrl=f"{ombud.url}{discovery.PATH}?version=v2")


async def test_a_document_of_another_address_still_reaches_us(ombud: Shared, name: str) -> None:
    elsewhere = discovery.document("https://commentanalyzer.googleapis.com/")
    options = {"api_endpoint": ombud.url}
    with build_from_document(elsewhere, developerKey=KEY, client_options=options) as service:
        assert suggest(service.comments(), suggested("ok", name, 0))["clientToken"] == f"comment:{name}"


async def test_the_key_is_nowhere_in_the_log(ombud: Shared, comments: Any, name: str) -> None:
    suggest(comments, suggested(f"word{name}", name, 0))
    with google(ombud, f"ombud_{name}") as service:
        refused(service.comments(), suggested(f"word{name}", name, 0))
    assert name not in ombud.log and KEY not in ombud.log
