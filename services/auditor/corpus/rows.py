"""Posts in memory: columns in ascending order of ids that change by pieces. Pure.

Invariant: the columns follow from the rows alone; pieces in any order, or all at once, give the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.auditor.audits.columns import ABOUT, NO_TOPIC
from services.auditor.corpus.searching import folded
from shared.personal.population import Population
from shared.topics.model import TopicModel
from shared.vocabulary import CATEGORIES

Anything = NDArray[Any]


class Stored(Protocol):
    """A row of a post as the store has it."""

    post_id: str
    text: str | None
    scores: Mapping[str, float]
    overall: float
    threshold: float
    flagged: bool
    model_version: str
    scored_at: datetime
    gone: bool
    hidden: bool
    sequence: int


@dataclass(frozen=True, eq=False)
class Rows:
    """Posts, n of them. `folded` (n,) are their texts as they are searched, `versions` (n,) what scored them.

    `topics` (n,) by the topic model; `read` (n,) whether a population's reader read the text because the population
    does not know the post: then `text_scores` (n,) and `about` (n, 8) are what it says.
    """

    ids: Anything
    overall: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    scores: NDArray[np.float32]
    versions: Anything
    sequences: NDArray[np.int64]
    folded: Anything
    topics: NDArray[np.int32]
    read: NDArray[np.bool_]
    text_scores: NDArray[np.float32]
    about: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, places: Anything) -> "Rows":
        """Return some of the rows."""
        return Rows(*(getattr(self, each.name)[places] for each in fields(self)))

    def merged(self, changed: "Rows", gone: Collection[str], horizon: int = 0) -> "Rows":
        """Return the rows with those that changed, without those that are gone or older than the horizon."""
        replaced = {*gone, *changed.ids.tolist()}
        stays = self.sequences > horizon
        if replaced:
            stays &= ~np.fromiter((each in replaced for each in self.ids.tolist()), bool, len(self))
        if not len(changed) and stays.all():
            return self
        ids = np.concatenate([self.ids[stays], changed.ids])
        # Python compares strings by code points, as every reader of the columns does
        order = np.array(sorted(range(len(ids)), key=ids.tolist().__getitem__), np.int64)
        kept = (np.concatenate([getattr(self, each.name)[stays], getattr(changed, each.name)]) for each in fields(self))
        return Rows(*(column[order] for column in kept))

    def looked_at(self, looks: "Looks") -> "Rows":
        """Return the rows with topics and readings of other models; what these do not know stays without."""
        places = [looks.places.get(each, -1) for each in self.ids.tolist()]
        at = np.array(places, np.int64)
        blank = blank_looks(len(self))
        known = at >= 0
        for name, column in blank.items():
            column[known] = getattr(looks, name)[at[known]]
        return Rows(**{**{each.name: getattr(self, each.name) for each in fields(self)}, **blank})


@dataclass(frozen=True, eq=False)
class Looks:
    """What a topic model and a population's reader say of texts, by place of the post."""

    places: Mapping[str, int]
    topics: NDArray[np.int32]
    read: NDArray[np.bool_]
    text_scores: NDArray[np.float32]
    about: NDArray[np.float32]


def no_rows() -> Rows:
    """Return none."""
    return rows_of((), None, None)


def rows_of(stored: Sequence[Stored], topics: TopicModel | None, population: Population | None) -> Rows:
    """Return the posts of stored rows, each post once, in ascending order; those without a text are left out."""
    whole = sorted((each for each in stored if in_sight(each)), key=lambda each: each.post_id)
    texts = [each.text or "" for each in whole]
    ids = [each.post_id for each in whole]
    scores = np.full((len(whole), len(CATEGORIES)), np.nan, np.float32)
    for at, each in enumerate(whole):
        said = each.scores
        scores[at] = [said.get(name, np.nan) for name in CATEGORIES]
    looks = look(ids, texts, topics, population)
    return Rows(
        _objects(ids),
        np.array([each.overall for each in whole], np.float64),
        np.array([each.threshold for each in whole], np.float64),
        np.array([each.flagged for each in whole], bool),
        scores,
        _objects([each.model_version for each in whole]),
        np.array([each.sequence for each in whole], np.int64),
        _objects([folded(text) for text in texts]),
        looks.topics,
        looks.read,
        looks.text_scores,
        looks.about,
    )


def in_sight(row: Stored) -> bool:
    """Return whether a post is there to be audited: neither erased nor hidden."""
    return row.text is not None and not row.gone and not row.hidden


def look(ids: Sequence[str], texts: Sequence[str], topics: TopicModel | None, population: Population | None) -> Looks:
    """Return the topics of texts, and what is read in those the population does not know."""
    made = blank_looks(len(ids))
    if topics is not None and len(ids):
        made["topics"] = topics.assign(texts)[0].astype(np.int32)
    if population is not None and population.reader is not None:
        at = [place for place, each in enumerate(ids) if each not in population.places]
        if at:
            made["read"][at] = True
            made["text_scores"][at], made["about"][at] = population.reader.read([texts[place] for place in at])
    return Looks({each: at for at, each in enumerate(ids)}, **made)


def blank_looks(n: int) -> dict[str, Anything]:
    """Return what is said of n posts before anything looked at them."""
    return {
        "topics": np.full(n, NO_TOPIC, np.int32),
        "read": np.zeros(n, bool),
        "text_scores": np.zeros(n, np.float32),
        "about": np.zeros((n, ABOUT), np.float32),
    }


def joined(pieces: Sequence[Looks]) -> Looks:
    """Return several pieces as one."""
    names = [each for piece in pieces for each in sorted(piece.places, key=piece.places.__getitem__)]
    blank = blank_looks(0)
    whole = {name: np.concatenate([blank[name], *(getattr(piece, name) for piece in pieces)]) for name in blank}
    return Looks({each: at for at, each in enumerate(names)}, **whole)


def _objects(values: Sequence[Any]) -> Anything:
    made = np.empty(len(values), object)
    made[:] = values
    return made
