"""What stands where an auditor reads posts: one to rate, or a table of those that were decided differently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.reporter.console.contexts.audits import Audit, Drawer, Given, audit_of, step_of, topic_name, type_of
from services.reporter.console.veil import Veil, Veiled, veil

WORDS = ("not_at_all", "slightly", "moderately", "very", "extremely")


@dataclass(frozen=True, slots=True)
class Shown:
    """A post's text as a page may hold it; None where it is gone."""

    post_id: str
    text: Veiled | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer: a rating, what it is called, and whether it means that the post is to be removed."""

    rating: int
    word: str
    toxic: bool


@dataclass(frozen=True, slots=True)
class Labelling:
    """One post to rate of all that were drawn, or why there is none.

    `rating` is what was said before: a number, "unsure", or empty. `failed` is an answer that could not be kept.
    `further` is how many a next draw brings.
    """

    audit: Audit
    post: Shown | None
    position: int
    rating: str
    drawn: int
    rated: int
    unsure: int
    left: int
    further: int
    choices: tuple[Choice, ...]
    failed: str = ""

    @property
    def done(self) -> int:
        """Return how many of the drawn ones have an answer."""
        return self.drawn - self.left


@dataclass(frozen=True, slots=True)
class Row:
    """A post in the table of a topic or a search."""

    shown: Shown
    categories: tuple[str, ...]
    user: float | None
    own: bool
    system: float
    gap: float | None
    type: str
    step: str
    p_disagree: float | None
    judgement: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """Posts of a topic or of a search, those most surely decided differently first.

    `matching` of `n` pass the filter. `query` is what was searched for. `reason`: why there is none.
    """

    audit: Audit
    topic: int | None
    name: str
    query: str
    errors: str
    n: int
    labelled: int
    matching: int
    tuned_by: int
    rows: tuple[Row, ...]
    next: str | None
    drawer: Drawer
    here: str
    notices: tuple[str, ...]
    chart: Any


def labelling_of(
    audit: Given, found: Given, row: Any, level: Veil, *, opened: bool, position: int | None, failed: str = ""
) -> Labelling:
    """Return the page of one post to rate. `row` is the post as the reporter knows it, None if it does not yet.

    A mask on some words only would tell what the system thinks of them, so whoever has anything veiled gets the whole
    text veiled here, of each post alike.
    """
    post, far = found["post"], found["progress"]
    shown = None
    if post is not None:
        whole = level is not Veil.OFF and not opened
        text = veil(post["text"], None, Veil.WHOLE if whole else Veil.OFF)
        gone = row is not None and (row.deleted_at is not None or row.hidden)
        shown = Shown(post["post_id"], None if gone else text, None if row is None else row.language)
    said = "" if post is None or not post["rated"] else "unsure" if post["rating"] is None else str(post["rating"])
    return Labelling(
        audit_of(audit),
        shown,
        (position or 0) if post is None else post["position"],
        said,
        far["drawn"],
        far["rated"],
        far["unsure"],
        far["left"],
        far["next_draw"],
        tuple(
            Choice(each["rating"], WORDS[each["rating"]], bool(each["toxic"]))
            for each in found["choices"]
            if each["rating"] is not None
        ),
        failed,
    )


def table_of(
    audit: Given,
    found: Given,
    posts: Mapping[str, Any],
    kept: Mapping[str, str],
    level: Veil,
    drawer: Drawer,
    *,
    errors: str,
    query: str,
    here: str,
    notices: Sequence[str],
    chart: Any = None,
) -> Table:
    """Return a table of posts. `posts` are those the reporter knows, `kept` what was judged of the evidence, by id."""
    rows = [_row(each, posts.get(each["post_id"]), kept.get(each["post_id"]), level) for each in found["rows"]]
    return Table(
        audit_of(audit),
        found["topic"],
        topic_name(found["name"], found["topic"]),
        query,
        errors,
        found["counts"]["n"],
        found["counts"]["labelled"],
        found["matching"],
        found["tuned_by"] or 0,
        tuple(rows),
        found["next"],
        drawer,
        here,
        tuple(notices),
        chart,
    )


def _row(each: Given, known: Any, judgement: str | None, level: Veil) -> Row:
    user = each["prediction"] if each["label"] is None else each["label"]
    return Row(
        shown_of(each["post_id"], each["text"], known, level),
        tuple(each["categories"]),
        user,
        each["label"] is not None,
        each["system_rating"],
        None if user is None else user - each["system_rating"],
        type_of(each["error_type"], each["system_toxic"]),
        step_of(each["error_type"], _colour(each["distance"]), each["system_toxic"]),
        each["p_disagree"],
        judgement,
    )


def shown_of(post_id: str, text: str | None, known: Any, level: Veil) -> Shown:
    """Return a post's text, veiled if it is flagged; whole where the reporter does not know it."""
    if text is None or (known is not None and (known.deleted_at is not None or known.hidden)):
        return Shown(post_id, None, None)
    if known is None:
        return Shown(post_id, veil(text, None, level), None)
    marked = known.marked if known.text == text else None
    return Shown(post_id, veil(text, marked, level if known.flagged else Veil.OFF), known.language)


def _colour(distance: float | None) -> int:
    """Return the step of a distance, 1 to 4: each bound belongs to the step below it."""
    return 1 + sum((distance or 0.0) > bound for bound in (0.5, 1.0, 1.5))
