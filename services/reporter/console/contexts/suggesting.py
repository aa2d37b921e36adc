"""What stands where an audit suggests where to look: a scaffold's items, what disagreements share, posts by chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.reporter.console.contexts.audits import (
    Audit,
    Drawer,
    Figure,
    Given,
    audit_of,
    figure,
    topic_name,
    words,
)
from services.reporter.console.contexts.judging import Shown, shown_of
from services.reporter.console.veil import Veil

DIRECTIONS = {"under": "under", "over": "over"}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at: a topic and the error to expect there, a question, or words that are no topic today."""

    name: str
    question: str
    direction: str
    missing: bool
    share: Figure | None
    n: int
    labelled: int
    href: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """What some of the surest disagreements of one kind have in common, with posts from its middle."""

    direction: str
    n: int
    share: Figure
    examples: tuple[Shown, ...]
    topics: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Around:
    """A post by chance or like another one: what the system says of it; `alike` is a cosine, None by chance."""

    shown: Shown
    topic: int | None
    topic_name: str
    categories: tuple[str, ...]
    system: float
    toxic: bool
    alike: float | None


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Where to look in an audit. `scaffolds` are (name, title); `clusters` is None where they could not be asked."""

    audit: Audit
    scaffold: str
    kind: str
    group: bool
    scaffolds: tuple[tuple[str, str], ...]
    items: tuple[Item, ...]
    clusters: tuple[Cluster, ...] | None
    drawer: Drawer
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """Posts to look around in: by chance under a seed, or like the post `like`."""

    audit: Audit
    like: Shown | None
    seed: int
    order: str
    posts: tuple[Around, ...]
    kept: Mapping[str, str]
    drawer: Drawer
    here: str
    notices: tuple[str, ...]


def suggestions_of(
    audit: Given,
    found: Given,
    listed: Sequence[Given],
    clusters: Given | None,
    posts: Mapping[str, Any],
    drawer: Drawer,
    *,
    level: Veil,
    language: str,
    notices: Sequence[str],
) -> Suggestions:
    """Return where to look. `posts` are those of the clusters that the reporter knows, by id."""
    return Suggestions(
        audit_of(audit),
        found["name"],
        found["kind"],
        found["group"],
        tuple((each["name"], words(each["title"], language)) for each in listed),
        # the empty scaffold stands for a report of one's own: nothing is suggested
        tuple(_item(audit["id"], each, language) for each in found["items"] if found["kind"] != "empty"),
        None if clusters is None else tuple(_cluster(audit["id"], each, posts, level) for each in clusters["clusters"]),
        drawer,
        tuple(notices),
    )


def around_of(found: Sequence[Given], posts: Mapping[str, Any], level: Veil) -> tuple[Around, ...]:
    """Return posts to look around in."""
    return tuple(
        Around(
            shown_of(each["post_id"], each["text"], posts.get(each["post_id"]), level),
            each["topic"],
            topic_name(each["topic_name"], each["topic"]),
            tuple(each["categories"]),
            each["system_rating"],
            each["system_toxic"],
            each.get("cosine"),
        )
        for each in found
    )


def _item(audit: str, found: Given, language: str) -> Item:
    direction = DIRECTIONS.get(found["direction"] or "", "")
    known = found["topic"] is not None
    error = f"?error={direction}" if direction else ""
    return Item(
        topic_name(found["name"], found["topic"]) if known else ", ".join(found["words"]),
        words(found["text"], language) if found["text"] else "",
        direction,
        found["missing"],
        figure(found["share"]),
        found["n"] or 0,
        found["labelled"] or 0,
        f"/audits/{audit}/topics/{found['topic']}{error}" if known else f"/audits/{audit}/search",
    )


def _cluster(audit: str, found: Given, posts: Mapping[str, Any], level: Veil) -> Cluster:
    error = f"?error={found['direction']}"
    return Cluster(
        found["direction"],
        found["n"],
        Figure(**found["share"]),
        tuple(shown_of(each["post_id"], each["text"], posts.get(each["post_id"]), level) for each in found["examples"]),
        tuple(
            (topic_name(each["name"], each["topic"]), each["n"], f"/audits/{audit}/topics/{each['topic']}{error}")
            for each in found["topics"]
        ),
    )
