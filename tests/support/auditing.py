"""A corpus that audits can look at, said as classifier and trainer would say it: topics, scores, a model in force."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from services.trainer.topics.fitting import Writing, fit
from shared.events import Event, ModelPromoted, ModelTrained, said
from shared.runtime import Platform
from shared.topics.model import dump
from shared.vocabulary import ModelKind
from tests.contract import speech

OLD, NEW = "m-0001-aaaaaaaa", "m-0002-bbbbbbbb"
SUBJECTS = {
    "tram": ("tram", "station", "late", "line", "platform", "ticket", "driver", "delay"),
    "soup": ("soup", "oven", "kitchen", "recipe", "onion", "pan", "spoon", "dinner"),
    "match": ("match", "referee", "goal", "team", "coach", "league", "ball", "stadium"),
}
FRAMES = ("that {0} and the {1} with {2}", "our {1} near a {0}, then {2}", "why {2} before the {0} or the {1}")


def texts() -> list[tuple[str, str]]:
    """Return (subject, text) of some five hundred mild posts on three subjects, in an order that mixes them."""
    found = []
    for frame, (first, second) in product(FRAMES, product(range(8), range(8))):
        for subject, words in SUBJECTS.items():
            if first != second:
                third = words[(first * 3 + second) % 8]
                found.append((subject, frame.format(words[first], words[second], third)))
    return found


def scores(whole: Sequence[tuple[str, str]], model: str = OLD) -> list[Event[Any]]:
    """Return scores of the posts: spread over the scale, trams milder, matches worse; the new model flags fewer."""
    shift = {"tram": -0.15, "soup": 0.0, "match": 0.15}
    found = []
    for n, (subject, text) in enumerate(whole):
        spread, less, minute = n * 37 % 100 / 100, *((0.2, 50.0) if model == NEW else (0.0, 40.0))
        overall = round(min(max(spread + shift[subject] - less, 0.01), 0.99), 3)
        found.append(speech.scored(speech.post(n, text=text), overall, model=model, minute=minute))
    return found


def topics(platform: Platform, whole: Sequence[tuple[str, str]]) -> Event[ModelTrained]:
    """Return the word that topics were found in these posts, their artifact kept."""
    model = fit([Writing(text) for _, text in whole])
    data = ModelTrained(
        run_id="topics of the tests",
        kind=ModelKind.TOPIC,
        model="ombud-topics",
        model_version="t-0001-tests",
        artifact=platform.artifacts.put(dump(model)),
        data_hash="0" * 64,
        trained_at=speech.at(1),
        foundation="topics",
    )
    return said(data, by="trainer", cause="topics of the tests")


def in_force(version: str, minute: float) -> Event[ModelPromoted]:
    """Return the word that a model came into force, later than any that a process in these tests starts with."""
    data = ModelPromoted(
        run_id=f"run of {version}",
        model="ombud-scorer",
        model_version=version,
        artifact="a" * 64,
        promoted_at=speech.at(minute + 600_000),
        layer="refit",
    )
    return said(data, by="trainer", cause=f"{version} {minute}")
