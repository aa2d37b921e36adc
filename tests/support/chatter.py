"""Mild posts by the thousand, in English and Dutch, of every shape a text can have; a seed always writes the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

PLATFORM = "chatter"

PEOPLE = ("my neighbour", "the referee", "our teacher", "the new baker", "that driver", "the mayor", "my cousin")
DEEDS = ("forgot the keys again", "talks far too much", "made a lovely soup", "lost the match", "is late as always")
THINGS = ("what a silly idea", "I liked that a lot", "nobody asked for this", "see you on Sunday", "that was clumsy")
MENSEN = ("mijn buurman", "de scheidsrechter", "onze juf", "de nieuwe bakker", "die fietser", "de burgemeester")
DADEN = ("is zijn sleutels weer kwijt", "praat veel te veel", "heeft lekkere soep gemaakt", "is zoals altijd te laat")
DINGEN = ("wat een raar plan", "dat vond ik mooi", "daar zat niemand op te wachten", "tot zondag", "dat was onhandig")
ODDITIES = (
    "{} ☃ Zürich, señor, Ελλάδα, Привет, 你好",
    "{}\n\nand\ta second\r\nparagraph",
    '{} "quoted" \\ and {{"json": [1, 2]}}',
    "{} 👩‍👩‍👧‍👦 \u202eback to front\u202c",
    "<b>{}</b> &amp; '; DROP TABLE posts; --",
    "e\u0301 {} \u200b\u200d\ufeff",
)
LONG_BYTES = 20_000


def posts(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield `count` posts as a platform sends them; their external ids are unlike those of any other seed."""
    random = Random(seed)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(count):
        dutch = random.random() < 0.4
        post: dict[str, Any] = {"platform": PLATFORM, "external_id": f"{seed}-{n}", "text": _text(random, dutch)}
        if random.random() < 0.5:
            post["language"] = "nl" if dutch else "en"
        if random.random() < 0.7:
            post["author"] = f"author {random.randrange(500)}"
        if random.random() < 0.5:
            post["created_at"] = (start + timedelta(seconds=n)).isoformat()
        yield post


def _text(random: Random, dutch: bool) -> str:
    who, does, thing = (MENSEN, DADEN, DINGEN) if dutch else (PEOPLE, DEEDS, THINGS)
    said = [f"{random.choice(who)} {random.choice(does)}, {random.choice(thing)}" for _ in range(random.randint(1, 4))]
    text = f"{'. '.join(said)}. ({random.randrange(10**6)})"
    if random.random() < 0.05:
        text = random.choice(ODDITIES).format(text)
    if random.random() < 0.002:
        text = (text + " ") * (LONG_BYTES // (len(text.encode()) + 1))
    return text
