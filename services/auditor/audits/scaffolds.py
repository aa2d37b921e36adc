"""Scaffolds: what an audit suggests to begin with, as data, fitted to the topics that the posts of today have.

Invariant: a topic that is not there today is said to be missing, never replaced by something else.
Source: audits.md section 10.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

import orjson

from services.auditor.audits.decisions import ErrorType
from services.auditor.audits.ranking import Order, Ranked, ranked
from services.auditor.audits.topics import TopicRow

Words = Mapping[int, tuple[str, ...]]
"""The words of each topic of today."""
Texts = Mapping[str, str]
"""A text by language."""


class Kind(StrEnum):
    """How a scaffold comes to its items."""

    EMPTY = "empty"
    TOPICS = "topics"
    RANKED = "ranked"
    PROMPTS = "prompts"


@dataclass(frozen=True)
class Item:
    """One thing to look at: a topic (None: none yet), the error to expect, and why it is here.

    `missing` says that the words looked for are no topic today. `ranked` holds the figures of a topic that ranks.
    """

    topic: int | None
    direction: ErrorType | None
    missing: bool = False
    words: tuple[str, ...] = ()
    key: str | None = None
    text: Texts | None = None
    ranked: Ranked | None = None


@dataclass(frozen=True)
class Scaffold:
    """A scaffold as its file has it; `items` are still without topics, `group` asks for a group's model."""

    name: str
    kind: Kind
    title: Texts
    items: tuple[Item, ...] = ()
    order: Order = Order.FP_FN
    group: bool = False


@dataclass(frozen=True)
class Scaffolds:
    """All scaffolds by name, and the words of topics that are never suggested."""

    by_name: Mapping[str, Scaffold]
    excluded: tuple[tuple[str, ...], ...]


def own_scaffolds() -> Scaffolds:
    """Return the scaffolds that come with Ombud."""
    return read_scaffolds(files("services.auditor.audits").joinpath("scaffolds.json").read_bytes())


def read_scaffolds(text: bytes | str) -> Scaffolds:
    """Return the scaffolds of a file. Raises ValueError for anything that is not one."""
    try:
        said = orjson.loads(text)
        if said["version"] != 1:
            raise ValueError("scaffolds of another version")
        found = [_scaffold(each) for each in said["scaffolds"]]
        excluded = tuple(tuple(map(str.casefold, words)) for words in said["excluded"])
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ValueError(f"not a file of scaffolds: {wrong}") from wrong
    if len({each.name for each in found}) < len(found):
        raise ValueError("two scaffolds have one name")
    return Scaffolds({each.name: each for each in found}, excluded)


def resolved(
    scaffold: Scaffold,
    words: Words,
    rows: Collection[TopicRow] = (),
    *,
    excluded: Collection[tuple[str, ...]] = (),
    detectable: Collection[int] | None = None,
    order: Order | None = None,
) -> list[Item]:
    """Return a scaffold's items for the topics of today.

    `rows` are the topics as the person's or group's model sees them, which ranked scaffolds need; without them, or
    where all agree, there are none. `detectable` are the topics where a group can be told from the crowd.
    """
    if scaffold.kind is Kind.RANKED:
        left_out = {topic for each in excluded if (topic := matched(each, words)) is not None}
        told = (detectable or ()) if scaffold.group else None
        found = ranked(rows, order or scaffold.order, excluded=left_out, detectable=told)
        return [Item(each.topic, each.direction, words=words.get(each.topic, ()), ranked=each) for each in found]
    if scaffold.kind is Kind.TOPICS:
        sizes = {row.topic: row.n for row in rows}
        places = [(item, matched(item.words, words, sizes)) for item in scaffold.items]
        return [
            Item(topic, item.direction, topic is None, item.words if topic is None else words[topic])
            for item, topic in places
        ]
    return list(scaffold.items)


def matched(wanted: Collection[str], words: Words, sizes: Mapping[int, int] | None = None) -> int | None:
    """Return the topic that has most of the wanted words, then most posts, then the lowest number; None without any."""
    looked_for = {word.casefold() for word in wanted}
    hits = {topic: len(looked_for & {word.casefold() for word in each}) for topic, each in words.items()}
    present = [topic for topic, hit in hits.items() if hit]
    sizes = sizes or {}
    return min(present, key=lambda topic: (-hits[topic], -sizes.get(topic, 0), topic), default=None)


def _scaffold(said: dict[str, Any]) -> Scaffold:
    topics = [Item(None, ErrorType(each["direction"]), words=tuple(each["words"])) for each in said.get("topics", [])]
    prompts = [
        Item(None, ErrorType(each["direction"]) if each["direction"] else None, key=each["key"], text=each["text"])
        for each in said.get("prompts", [])
    ]
    kind = Kind(said["kind"])
    return Scaffold(
        said["name"],
        kind,
        said["title"],
        (*topics, *prompts, *([Item(None, None)] if kind is Kind.EMPTY else [])),
        Order(said.get("order", Order.FP_FN)),
        bool(said.get("group", False)),
    )
