"""Which language a post is in: the platform's word, else the text's, else none; nothing is guessed."""

import csv
import gzip
import json
import time
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from services.ingest.posts import PostIn, ingested
from shared.language import KNOWN, MANY, detect, detect_many, language_of, languages_of, load, named
from tests.support.data import real

DUTCH = [
    "lekker bezig jongens",
    "gefeliciteerd met je verjaardag!",
    "ik ben het er niet mee eens",
    "hoe laat begint de wedstrijd?",
    "Mooi doelpunt van Ajax gisteren",
    "WAAROM IS DE TREIN ALWEER TE LAAT",
    "@ada #fiets Kan iemand mij helpen met mijn fiets? https://example.org/the/english/words/of/an/address",
    "heb je zin om te komen eten vanavond 😀",
]
ENGLISH = [
    "what nonsense",
    "i disagree with all of this",
    "what time does the game start?",
    "anyone know where to buy this",
    "CAN'T BELIEVE THIS WEATHER",
    "@jan #voetbal Can somebody help me with my bike? https://example.org/een/adres/met/nederlandse/woorden",
    "the train is late again &amp; nobody says why",
    "do you want to come over for dinner tonight 😀",
]
OTHERS = {
    "de": "Vielen Dank für die schnelle Antwort!",
    "fr": "Je ne sais pas ce que tu veux dire",
    "es": "Muchas gracias por responder tan rápido",
    "it": "Grazie mille per la risposta veloce",
    "pt": "Muito obrigado pela resposta rápida",
    "sv": "Jag vet inte vad du menar",
    "pl": "Dzisiaj jest naprawdę ładna pogoda",
    "tr": "Bugün hava gerçekten çok güzel",
    "vi": "Hôm nay thời tiết thật đẹp",
    "af": "Ek weet nie wat jy bedoel nie",
    "fy": "Ik wit net watsto bedoelst",
    "ru": "Сегодня очень хорошая погода",
    "ar": "الطقس جميل جدا اليوم",
    "ja": "今日は本当にいい天気ですね",
    "zh": "今天天气真好",
}
NEITHER = [
    "ik snap er niks van",
    "ok",
    "lol",
    "haha",
    "1-0",
    "😀",
    "😂😂😂",
    "👍🏽",
    "...",
    "€ 12,50",
    "@ada @bob",
    "#ajax",
    "",
    "   ",
    "\x00",
    "\ud800",
]


@pytest.mark.parametrize(("code", "texts"), [("nl", DUTCH), ("en", ENGLISH)], ids=["nl", "en"])
def test_short_dutch_and_english_posts_are_told_apart(code: str, texts: list[str]) -> None:
    assert {text: detect(text) for text in texts} == dict.fromkeys(texts, code)


def test_another_language_has_its_own_code() -> None:
    assert {code: detect(text) for code, text in OTHERS.items()} == {code: code for code in OTHERS}


@pytest.mark.parametrize("text", [*NEITHER, "https://example.org/all/of/this/is/only/an/address"], ids=ascii)
def test_what_is_in_no_language_or_could_be_in_two_has_none(text: str) -> None:
    assert detect(text) is None


def test_a_long_post_is_looked_at_twice_and_no_further() -> None:
    opening = "ok " * 17  # says nothing, and is longer than a glance
    assert detect(opening) is None
    assert detect(opening + "maar daar ben ik het eigenlijk helemaal niet mee eens") == "nl"
    assert detect("😀" * 500 + "maar daar ben ik het eigenlijk helemaal niet mee eens") is None


MIXED = [*DUTCH, *ENGLISH, *OTHERS.values(), "ok", "", "2026 !!!", "Добар дан, како сте данас?", "half a pair \ud800"]


@given(some.text(some.characters(codec=None), max_size=600) | some.binary().map(lambda raw: raw.decode("latin-1")))
@example("\x00" * 5000)
@example("a" * 100_000)
@example("https://" * 200)
@example("\u202e\u0301" * 300)
def test_any_text_has_a_known_language_or_none(text: str) -> None:
    assert detect(text) in KNOWN | {None}


@pytest.mark.parametrize(
    ("tag", "known"),
    [
        ("nl", "nl"),
        ("NL", "nl"),
        ("EN-GB", "en-GB"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("fil", "fil"),
        ("xx", None),
        ("und", None),
        ("zxx", None),
        ("mul-Latn", None),
        ("en-" + "-".join(["abcdefgh"] * 4), "en"),
    ],
)
def test_a_tag_counts_when_it_names_a_language(tag: str, known: str | None) -> None:
    assert named(tag) == known


@pytest.mark.parametrize(
    ("tag", "text", "language"),
    [
        ("fr", "what time does the game start?", "fr"),
        ("und", "what time does the game start?", "en"),
        ("xx", "ok", None),
        (None, "hoe laat begint de wedstrijd?", "nl"),
        (None, "ok", None),
    ],
)
def test_the_platform_knows_better_than_the_text_unless_it_says_nothing(
    tag: str | None, text: str, language: str | None
) -> None:
    assert language_of(text, tag) == language
    event = ingested(PostIn(external_id="1", text=text, language=tag), salt="s")
    assert event.data.post.language == language


@given(some.lists(some.text(some.characters(codec=None), max_size=200) | some.sampled_from(MIXED), max_size=40))
def test_many_texts_at_once_are_told_as_each_is_alone(texts: list[str]) -> None:
    assert detect_many(texts) == [detect(text) for text in texts]


def test_many_texts_keep_the_languages_their_platforms_name() -> None:
    posts = [(text, tag) for text in MIXED for tag in (None, "und", "fr")] * 3
    assert len(posts) > MANY
    assert languages_of(posts) == [language_of(*post) for post in posts]


def test_the_model_holds_arrays_and_no_pickle() -> None:
    assert set(load().labels) == KNOWN | {"zxx"}
    assert load() is load()


def shares(texts: list[str], code: str) -> tuple[float, float]:
    """Return which shares of texts in one language are called by it, and by another."""
    said = Counter(detect(text) for text in texts)
    return said[code] / len(texts), 1 - (said[code] + said[None]) / len(texts)


def test_the_figures_of_the_decision_hold_on_development_data() -> None:
    rows = [json.loads(line) for line in real("own/contrast_rows.jsonl").read_text("utf-8").splitlines()]
    with gzip.open(real("edos/edos_train_dev.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        dev = [row["text"] for row in csv.DictReader(file) if row["split"] == "dev"]
    right, wrong = shares([row["text"] for row in rows if row["lang"] == "nl"], "nl")
    assert right > 0.94 and wrong < 0.006
    right, wrong = shares([row["text"] for row in rows if row["lang"] == "en"], "en")
    assert right > 0.92 and wrong < 0.001
    right, wrong = shares(dev, "en")
    assert right > 0.975 and wrong < 0.002


def test_the_door_can_afford_it() -> None:
    """A rough fuse, ten times the figure of the decision: it trips when somebody reads whole posts."""
    texts = ["This is a sentence that an ordinary person could have written about an ordinary day. " * 200] * 200
    begun = time.process_time()
    for text in texts:
        detect(text)
    assert (time.process_time() - begun) / len(texts) < 400e-6
