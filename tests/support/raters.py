"""People who rate, made from a seed: texts of harmless words, and raters whose leanings are known.

Every post has a severity from what stands in it; a rater answers `severity * slope + intercept + leaning to its topic +
noise`, rounded to 0..4. So the crowd is beaten by whoever learns intercepts and slopes, and by how much is known.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.trainer.personal.crowd import Crowd

POSTS, PER_POST, RATERS = 107_620, 5, 17_280
"""The shape of Kumar et al. 2021: comments, ratings of each, and people."""
TOPICS = 40

MILD = (
    "lamp",
    "river",
    "bread",
    "window",
    "garden",
    "letter",
    "winter",
    "paper",
    "music",
    "ladder",
    "button",
    "harbour",
)
ROUGH = ("grumpy", "soggy", "crooked", "rusty", "noisy", "stale", "muddy", "clumsy", "dusty", "lumpy", "sour", "wobbly")
SUBJECTS = tuple(
    f"{first}{second}"
    for first in ("red", "blue", "old", "new", "tall", "tiny", "far", "near")
    for second in ("ville", "stead", "mouth", "bridge", "field")
)
SYLLABLES = (
    "ba",
    "do",
    "fe",
    "gi",
    "ha",
    "jo",
    "ku",
    "la",
    "me",
    "ni",
    "po",
    "ra",
    "se",
    "tu",
    "va",
    "wi",
    "yo",
    "zu",
    "ster",
    "lin",
)
FILLING = (
    *SYLLABLES,
    *(one + two for one in SYLLABLES for two in SYLLABLES),
    *(one + two + three for one in SYLLABLES for two in SYLLABLES for three in SYLLABLES),
)
"""Words without a meaning, as many as people use; a few of them often."""


@dataclass(frozen=True)
class Made:
    """A crowd and what it was made of: severities (posts,), intercepts, slopes (raters,), leanings (raters, topics)."""

    crowd: Crowd
    severity: NDArray[np.float64]
    intercept: NDArray[np.float64]
    slope: NDArray[np.float64]
    leaning: NDArray[np.float64]


def made(
    posts: int = POSTS,
    raters: int = RATERS,
    per_post: int = PER_POST,
    *,
    seed: int = 20261121,
    apart: float = 0.7,
    noise: float = 0.6,
    topical: float = 0.3,
) -> Made:
    """Return a crowd in which every post has so many ratings; `apart` is the sd of the intercepts."""
    draw = np.random.default_rng(seed)
    topic = draw.integers(0, TOPICS, posts).astype(np.int32)
    rough = draw.binomial(6, draw.beta(0.6, 1.4, posts))
    severity = np.clip(rough * 0.6 + draw.normal(0, 0.3, posts), 0, 4)
    texts = tuple(_text(draw, int(count), int(subject)) for count, subject in zip(rough, topic, strict=True))
    intercept, slope = draw.normal(0, apart, raters), draw.normal(1, 0.25, raters)
    leaning = draw.normal(0, topical, (raters, TOPICS))
    # everybody rates about as many posts, and nobody one twice
    rater = np.concatenate([draw.permutation(posts) % raters for _ in range(per_post)]).astype(np.int32)
    post = np.tile(np.arange(posts, dtype=np.int32), per_post)
    for again in range(1, per_post):
        rows = slice(again * posts, (again + 1) * posts)
        for earlier in range(again):
            before = rater[earlier * posts : (earlier + 1) * posts]
            rater[rows] = np.where(rater[rows] == before, (rater[rows] + 1 + again) % raters, rater[rows])
    keys = np.unique(rater.astype(np.int64) * posts + post)
    rater, post = (keys // posts).astype(np.int32), (keys % posts).astype(np.int32)
    believed = severity[post] * slope[rater] + intercept[rater] + leaning[rater, topic[post]]
    rating = np.clip(np.rint(believed + draw.normal(0, noise, len(rater))), 0, 4).astype(np.float32)
    names = tuple(f"post-{at:07d}" for at in range(posts))
    return Made(
        Crowd(names, texts, topic, np.full(posts, np.nan, np.float32), rater, post, rating),
        severity,
        intercept,
        slope,
        leaning,
    )


def without_texts(crowd: Crowd) -> Crowd:
    """Return a crowd of whose posts only the ids are known."""
    return replace(crowd, texts=(None,) * len(crowd.posts))


def _text(draw: np.random.Generator, rough: int, subject: int) -> str:
    words = [
        *(ROUGH[at] for at in draw.integers(0, len(ROUGH), rough)),
        *(MILD[at] for at in draw.integers(0, len(MILD), 6 - rough)),
        SUBJECTS[subject],
        *(FILLING[int(len(FILLING) ** share) - 1] for share in draw.random(9)),
    ]
    draw.shuffle(words)
    return " ".join(words)
