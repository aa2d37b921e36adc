"""Google's own client asks comments:analyze as it asked Perspective, and reads what it cannot have."""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from services.classifier import discovery
from shared.perspective import ATTRIBUTES
from shared.vocabulary import CATEGORIES
from tests.support.doors import MARKER, let_in, problem
from tests.support.google import google
from tests.support.ombud import KEY, client
from tests.support.shapes import Shared, one_process

RUDE = "You are a stupid idiot and nobody wants you here."
INVALID = "INVALID_REQUEST"


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


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """An Ombud that leaves out what it cannot score, assumes a language, and counts requests."""
    with one_process(
        tmp_path_factory.mktemp("lenient"),
        log_level="DEBUG",
        perspective_unsupported="omit",
        classifier_perspective_assumes="en",
        classifier_requests_per_s=4,
    ) as running:
        yield running


def asked(text: str, *names: str, **changes: Any) -> dict[str, Any]:
    wanted = {name: {} for name in names or ("TOXICITY",)}
    return {"comment": {"text": text}, "requestedAttributes": wanted, "languages": ["en"], **changes}


def analyze(comments: Any, body: dict[str, Any]) -> dict[str, Any]:
    return dict(comments.analyze(body=body).execute())


def refused(comments: Any, body: dict[str, Any]) -> HttpError:
    with pytest.raises(HttpError) as caught:
        analyze(comments, body)
    assert MARKER not in str(caught.value.content)
    return caught.value


def summary(answer: dict[str, Any], name: str = "TOXICITY") -> float:
    found: float = answer["attributeScores"][name]["summaryScore"]["value"]
    return found


async def test_a_rude_comment_scores_higher_than_a_kind_one_and_as_predict_says(
    comments: Any, http: httpx.AsyncClient
) -> None:
    rude = analyze(comments, asked(RUDE))
    kind = analyze(comments, asked("Thank you all for a lovely afternoon in the park."))
    assert summary(rude) > summary(kind)
    predicted = (await http.post("/predict", json={"inputs": RUDE})).json()["scores"]
    assert summary(rude) == predicted["toxic"]
    assert rude["languages"] == rude["detectedLanguages"] == ["en"]
    assert rude["attributeScores"]["TOXICITY"]["summaryScore"]["type"] == "PROBABILITY"


async def test_attributes_are_maxima_of_categories_as_the_table_says(comments: Any, http: httpx.AsyncClient) -> None:
    scores = (await http.post("/predict", json={"inputs": RUDE})).json()["scores"]
    for name, meaning in ATTRIBUTES.items():
        known = [scores[part] for part in meaning.parts if part in scores]
        for key in (name, f"{name}_EXPERIMENTAL"):
            if known:
                assert summary(analyze(comments, asked(RUDE, key)), key) == max(known), key
            else:  # masked: the live model knows nothing of it
                assert f"Unknown requested attribute: {key}" in refused(comments, asked(RUDE, key)).reason


async def test_a_version_is_mirrored_when_it_is_ours_and_unknown_otherwise(
    comments: Any, http: httpx.AsyncClient
) -> None:
    version = (await http.get("/v1/categories")).json()["model"]
    answer = analyze(comments, asked(RUDE, f"TOXICITY@{version}", "INSULT"))
    assert list(answer["attributeScores"]) == [f"TOXICITY@{version}", "INSULT"]
    error = refused(comments, asked(RUDE, "TOXICITY@6"))
    assert error.reason == "Unknown requested attribute: TOXICITY@6"
    assert error.error_details[0]["errorType"] == INVALID


async def test_profanity_is_a_count_of_swear_words_and_says_nothing_of_persons(comments: Any) -> None:
    swearing = analyze(comments, asked("The damn train is late again, bloody hell.", "PROFANITY", spanAnnotations=True))
    spans = swearing["attributeScores"]["PROFANITY"]["spanScores"]
    assert summary(swearing, "PROFANITY") == 0.64
    assert [(each["begin"], each["end"]) for each in spans] == [(0, 42), (4, 8), (30, 36)]
    assert summary(analyze(comments, asked(RUDE, "PROFANITY")), "PROFANITY") == 0


def test_a_score_below_its_threshold_is_left_out_and_nothing_else_is(comments: Any) -> None:
    body = asked(RUDE, "TOXICITY", "INSULT")
    score = summary(analyze(comments, body))
    for threshold, there in ((score, True), (min(1, score + 0.0001), False), (0, True)):
        body["requestedAttributes"]["TOXICITY"] = {"scoreThreshold": threshold, "scoreType": "PROBABILITY"}
        assert ("TOXICITY" in analyze(comments, body)["attributeScores"]) is there or threshold == 1
        assert "INSULT" in analyze(comments, body)["attributeScores"]


def test_one_span_covers_the_text_in_utf_16_units(comments: Any) -> None:
    (span,) = analyze(comments, asked("hi 😀 there"))["attributeScores"]["TOXICITY"]["spanScores"]
    assert (span["begin"], span["end"]) == (0, 11)


def test_with_span_annotations_each_sentence_has_the_score_it_has_alone(comments: Any) -> None:
    one, two = "What a lovely day 😀 it is!", "You are a stupid idiot."
    answer = analyze(comments, asked(f"{one} {two}", spanAnnotations=True))
    first, second = answer["attributeScores"]["TOXICITY"]["spanScores"][:2]
    assert (first["begin"], first["end"]) == (0, 27)
    assert (second["begin"], second["end"]) == (28, 51)
    assert second["score"]["value"] > first["score"]["value"]
    assert first["score"]["value"] == summary(analyze(comments, asked(one)))
    assert second["score"]["value"] == summary(analyze(comments, asked(two)))


def test_the_token_comes_back_as_it_was_and_only_when_it_was_there(comments: Any) -> None:
    for token in ("t", " ", "a\u2028ü😀\x00", "x" * 2048):
        assert analyze(comments, asked("ok then", clientToken=token))["clientToken"] == token
    assert "clientToken" not in analyze(comments, asked("ok then"))


def test_a_language_that_is_not_given_is_detected(comments: Any) -> None:
    text = "Daar ben ik het helemaal niet mee eens, beste mensen."
    body = asked(text, "TOXICITY") | {"languages": []}
    assert analyze(comments, body)["languages"] == ["nl"]
    assert analyze(comments, asked(text, languages=["nl-BE", "EN"]))["languages"] == ["nl-BE", "EN"]


@pytest.mark.parametrize("store", [True, False, None])
async def test_no_text_becomes_a_post_whatever_do_not_store_says(
    store: bool | None, comments: Any, ombud: Shared, redis: Any, name: str
) -> None:
    before = await let_in(redis)
    analyze(comments, asked(f"a word {name}", **({} if store is None else {"doNotStore": store})))
    assert await let_in(redis) == before
    assert name not in ombud.log


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"comment": {"text": ""}}, "COMMENT_EMPTY", "Comment must be non-empty."),
        ({"comment": {"text": " \n"}}, "COMMENT_EMPTY", "Comment must be non-empty."),
        ({"comment": {}}, "COMMENT_EMPTY", "Comment must be non-empty."),
        ({"comment": {"text": "é" * 10_241}}, "COMMENT_TOO_LONG", "Comment text too long."),
        ({"comment": {"text": MARKER, "type": "HTML"}}, INVALID, "PLAIN_TEXT"),
        ({"requestedAttributes": {}}, "NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes"),
        ({"requestedAttributes": {"SPAM": {}, "FLIRTATION": {}}}, INVALID, "Unknown requested attribute: SPAM"),
        ({"requestedAttributes": {MARKER + " <": {}}}, INVALID, "Unknown requested attribute: (not a name)"),
        ({"requestedAttributes": {"TOXICITY": {"scoreType": "RAW"}}}, INVALID, "score type"),
        ({"requestedAttributes": {"TOXICITY": {"scoreType": "PERCENTILE"}}}, INVALID, "score type"),
        ({"requestedAttributes": {"TOXICITY": {"scoreType": "STD_DEV_SCORE"}}}, INVALID, "score type"),
        ({"requestedAttributes": {"TOXICITY": {"scoreThreshold": 2}}}, INVALID, "requestedAttributes"),
        ({"requestedAttributes": ["TOXICITY"]}, INVALID, "requestedAttributes"),
        ({"languages": [MARKER * 9]}, INVALID, "languages"),
        ({"context": {"entries": [], "articleAndParentComment": {}}}, INVALID, "one context"),
        ({"languages": [], "comment": {"text": "ok"}}, "LANGUAGE_DETECTION_FAILED", "Unable to detect language"),
    ],
    ids=str,
)
def test_a_wrong_question_is_refused_in_googles_words(
    change: dict[str, Any], kind: str, said: str, comments: Any
) -> None:
    error = refused(comments, asked(MARKER) | change)
    assert error.resp.status == 400
    assert error.error_details[0]["errorType"] == kind
    assert error.error_details[0]["@type"] == "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
    assert said in error.reason
    assert json.loads(error.content)["error"]["status"] == "INVALID_ARGUMENT"


def test_a_language_we_do_not_speak_is_named_with_the_first_attribute(comments: Any) -> None:
    error = refused(comments, asked(MARKER, "INSULT", "TOXICITY", languages=["en", "xx"]))
    assert error.reason == "Attribute INSULT does not support request languages: xx"
    (detail,) = error.error_details
    assert detail["errorType"] == "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"
    told = detail["languageNotSupportedByAttributeError"]
    assert (told["requestedLanguages"], told["attribute"]) == (["en", "xx"], "INSULT")
    french = "Je ne sais pas ce que tu veux dire, mon ami."
    error = refused(comments, asked(french) | {"languages": []})
    assert error.reason == "Attribute TOXICITY does not support request languages: fr"
    assert error.error_details[0]["languageNotSupportedByAttributeError"]["detectedLanguages"] == ["fr"]


async def test_a_bad_key_no_key_and_a_key_without_the_right_are_refused_in_googles_words(
    ombud: Shared, http: httpx.AsyncClient, name: str
) -> None:
    made = (await http.post("/v1/keys", json={"name": name, "scopes": ["review"]})).json()["key"]
    for key, status, word in (
        (f"ombud_{name}", 400, "INVALID_ARGUMENT"),
        (None, 403, "PERMISSION_DENIED"),
        (made, 403, "PERMISSION_DENIED"),
    ):
        with google(ombud, key) as service:
            error = refused(service.comments(), asked(MARKER))
        assert (error.resp.status, json.loads(error.content)["error"]["status"]) == (status, word)
        if status == 400:
            assert error.reason == "API key not valid. Please pass a valid API key."
            assert error.error_details[0]["reason"] == "API_KEY_INVALID"
    assert name not in ombud.log and KEY not in ombud.log


async def test_no_json_is_refused_in_googles_envelope(ombud: Shared) -> None:
    async with httpx.AsyncClient(base_url=ombud.url) as anybody:
        for body in (b'{"comment": "zwunderquast', b"[" * 50_000, b"\xff", b"[]", b"null", b'{"comment":"\\ud800"}'):
            answer = await anybody.post(f"/v1alpha1/comments:analyze?key={KEY}", content=body)
            assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
            assert answer.json()["error"]["details"][0]["errorType"] == INVALID
            assert MARKER not in answer.text


def test_a_document_of_another_address_still_reaches_us(ombud: Shared) -> None:
    elsewhere = discovery.document("https://commentanalyzer.googleapis.com/")
    options = {"api_endpoint": ombud.url}
    with build_from_document(elsewhere, developerKey=KEY, client_options=options) as service:
        assert 0 <= summary(analyze(service.comments(), asked("ok then"))) <= 1


def test_an_installation_may_leave_out_what_perspective_had_but_not_what_nobody_knows(lenient: Shared) -> None:
    with google(lenient) as service:
        answer = analyze(service.comments(), asked(RUDE, "SPAM", "TOXICITY", "TOXICITY@6", "RESPECT_EXPERIMENTAL"))
    assert list(answer["attributeScores"]) == ["TOXICITY"]
    with google(lenient) as service:
        assert "NONSENSE" in refused(service.comments(), asked(RUDE, "NONSENSE")).reason
        answer = analyze(service.comments(), asked("ok") | {"languages": []})
    assert (answer["languages"], answer["detectedLanguages"]) == (["en"], [])


async def test_a_key_that_asks_too_often_waits_and_others_do_not(lenient: Shared, name: str) -> None:
    async with client(lenient.url) as http:
        keys = [
            (await http.post("/v1/keys", json={"name": f"{name} {n}", "scopes": ["score"]})).json()["key"]
            for n in range(2)
        ]
    with google(lenient, keys[0]) as service:
        comments = service.comments()
        caught = []
        for _ in range(10):
            try:
                analyze(comments, asked("ok then"))
            except HttpError as error:
                caught.append(error)
        assert 1 <= len(caught) <= 6
        for error in caught:
            assert (error.resp.status, error.resp["retry-after"]) == (429, "1")
            assert json.loads(error.content)["error"]["status"] == "RESOURCE_EXHAUSTED"
            assert error.error_details[0]["reason"] == "RATE_LIMIT_EXCEEDED"
        with google(lenient, keys[1]) as other:
            analyze(other.comments(), asked("ok then"))
        again = comments.analyze(body=asked("ok then")).execute(num_retries=4)
        assert "TOXICITY" in again["attributeScores"]


def test_every_category_of_ours_has_an_attribute() -> None:
    assert {part for meaning in ATTRIBUTES.values() for part in meaning.parts} == set(CATEGORIES)


async def test_a_text_tried_out_says_where_its_score_comes_from_and_is_forgotten(
    http: httpx.AsyncClient, ombud: Shared, redis: Any, name: str
) -> None:
    before = await let_in(redis)
    text = f"😀 {name} You are a stupid idiot."
    tried = (await http.post("/try", json={"text": text, "explain": ["insult"]})).json()
    (span, *_) = tried["explanations"]["insult"]["spans"]
    assert "idiot" in text[span["begin"] : span["end"]] or "stupid" in text[span["begin"] : span["end"]]
    assert (span["utf16_begin"], span["utf16_end"]) == (span["begin"] + 1, span["end"] + 1)
    assert tried["explanations"]["insult"]["ngrams"][0]["weight"] > 0
    predicted = (await http.post("/predict", json={"inputs": text})).json()
    assert {field: tried[field] for field in ("scores", "overall", "flagged", "model")} == {
        field: predicted[field] for field in ("scores", "overall", "flagged", "model")
    }
    over = [each for each, value in tried["scores"].items() if value >= tried["thresholds"][each]]
    assert tried["flagged_categories"] == over
    assert await let_in(redis) == before and name not in ombud.log


def test_the_words_that_carried_a_score_follow_the_sentences(comments: Any) -> None:
    text = "What a lovely day 😀 it is! You are a stupid idiot."
    answer = analyze(comments, asked(text, "INSULT", spanAnnotations=True))
    units = text.encode("utf-16-le")
    cut = [
        units[2 * each["begin"] : 2 * each["end"]].decode("utf-16-le")
        for each in answer["attributeScores"]["INSULT"]["spanScores"]
    ]
    assert cut[:2] == ["What a lovely day 😀 it is!", "You are a stupid idiot."]
    assert any(word in " ".join(cut[2:]) for word in ("stupid", "idiot"))


async def test_a_batch_is_scored_in_order_by_one_version_and_one_bad_post_refuses_it(http: httpx.AsyncClient) -> None:
    posts = [{"id": str(n), "text": RUDE if n % 2 else "What a lovely day."} for n in range(100)]
    answer = (await http.post("/api/v1/score", json={"posts": [{**posts[0], "language": "nl-BE"}, *posts[1:]]})).json()
    assert [each["id"] for each in answer["posts"]] == [each["id"] for each in posts]
    assert answer["posts"][0]["language"] == "nl-BE" and answer["posts"][1]["language"] is None
    alone = (await http.post("/predict", json={"inputs": RUDE})).json()
    assert {each["overall"] for each in answer["posts"][1::2]} == {alone["overall"]}
    assert (answer["model"], answer["data_hash"]) == (alone["model"], alone["data_hash"])
    for bad, status, reason, field in (
        ([*posts[:3], {"id": "x", "text": " "}], 422, "text_empty", "posts.3.text"),
        ([*posts[:3], {"id": "x", "text": "é" * 10_241}], 413, "text_too_long", "posts.3.text"),
        ([{"id": "x", "text": MARKER, "kind": 1}], 422, "extra_forbidden", "posts.0.kind"),
        ([], 422, "too_short", "posts"),
        ([{"id": "x", "text": MARKER}] * 501, 422, "too_long", "posts"),
    ):
        problem(await http.post("/api/v1/score", json={"posts": bad}), status, reason, field)


async def test_the_categories_say_from_where_on_they_flag_and_what_is_unknown(http: httpx.AsyncClient) -> None:
    found = (await http.get("/v1/categories")).json()
    scores = (await http.post("/predict", json={"inputs": RUDE})).json()["scores"]
    assert [each["name"] for each in found["categories"]] == list(CATEGORIES)
    assert {each["name"] for each in found["categories"] if not each["masked"]} == set(scores)
    for each in found["categories"]:
        assert each["description"] and (each["threshold"] is None) is each["masked"]
