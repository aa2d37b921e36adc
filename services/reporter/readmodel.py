"""From events to rows of the read models. Pure.

Invariant: whatever the order and however often events come, the same rows remain: a rank says which score wins, a
sequence which status, a time which correction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.events import (
    Carried,
    Event,
    ModelPromoted,
    ModelTrained,
    PostCorrected,
    PostDeleted,
    PostScored,
    PostStatusChanged,
)
from shared.heard import erased_since
from shared.ids import digest
from shared.text_key import key_of
from shared.thresholds import decisive, over
from shared.vocabulary import CATEGORIES, ModelKind

BITS = tuple((category, 1 << bit) for bit, category in enumerate(CATEGORIES))
Row = dict[str, Any]


def post_subject(post_id: str) -> str:
    """Return the name of a deleted post among the tombstones."""
    return f"post|{post_id}"


def author_subject(platform: str, author: str) -> str:
    """Return the name of an erased author among the tombstones."""
    return f"author|{platform}|{author}"


def is_author(subject: str) -> bool:
    """Return whether a tombstone is an author's."""
    return subject.startswith("author|")


def flagged_mask(scores: Mapping[str, float], thresholds: Mapping[str, float]) -> int:
    """Return the categories at or over their threshold, bit n for category n."""
    flagged = over(scores, thresholds)
    return sum(bit for category, bit in BITS if category in flagged)


def categories_of(mask: int | None) -> list[str]:
    """Return the categories of a mask."""
    return [category for category, bit in BITS if mask and mask & bit]


def marked(spans: Carried | None) -> dict[str, Any] | None:
    """Return the category and the places (begin, end in code points) of what carried a score; no word of it."""
    if spans is None or not spans.places:
        return None
    return {"category": spans.category, "places": [[each.begin, each.end] for each in spans.places]}


def subjects(scores: Iterable[PostScored]) -> list[str]:
    """Return under which tombstones the text of these posts could be buried."""
    names = set()
    for score in scores:
        names.add(post_subject(score.post.post_id))
        if score.post.author is not None:
            names.add(author_subject(score.post.platform, score.post.author))
    return list(names)


def own_scores(said: PostScored) -> dict[str, float]:
    """Return what the scorer said itself of each category, where a person's word stands in its place by now."""
    own = dict(said.scores)
    for category, word in (said.corrected or {}).items():
        if word.instead_of is None:
            own.pop(category, None)
        else:
            own[category] = word.instead_of
    return own


def alike_key(text: str) -> str:
    """Return what texts with the same words have in common: a digest that says nothing of them."""
    return digest(key_of(text).encode())


def score_row(
    rank: str, said: PostScored, buried: Mapping[str, datetime], hidden: Collection[str] = frozenset()
) -> Row:
    """Return the columns a score fills; a buried post keeps neither text nor author.

    `hidden` holds the names of hidden authors, as `author_subject` gives them.
    """
    post = said.post
    gone = erased_since(said, buried, post_subject, author_subject)
    own = own_scores(said)
    return {
        "post_id": post.post_id,
        "platform": post.platform,
        "external_id": post.external_id,
        "author": None if gone else post.author,
        "text": None if gone else post.text,
        "url": None if gone else post.url,
        "language": post.language,
        "revision": post.revision,
        "overall": said.overall,
        "flagged": said.flagged,
        "flagged_mask": flagged_mask(said.scores, said.thresholds),
        "threshold": decisive(said.scores, said.thresholds),
        "scores": said.scores,
        "thresholds": said.thresholds,
        "own_scores": own,
        "own_overall": max(own.values(), default=said.overall),
        "own_mask": flagged_mask(own, said.thresholds),
        "source": said.source.value,
        "text_key": None if gone else alike_key(post.text) if said.flagged or own != said.scores else None,
        "marked": None if gone else marked(said.spans),
        "model": said.model,
        "model_version": said.model_version,
        "scored_at": said.scored_at,
        "score_rank": rank,
        "created_at": post.created_at,
        "deleted_at": gone,
        "hidden": gone is None and post.author is not None and author_subject(post.platform, post.author) in hidden,
    }


def status_rows(said: Iterable[PostStatusChanged]) -> list[Row]:
    """Return the newest status of each post, sorted by post."""
    newest: dict[str, PostStatusChanged] = {}
    for change in said:
        known = newest.get(change.post_id)
        if known is None or known.sequence <= change.sequence:
            newest[change.post_id] = change
    return [
        {
            "post_id": post,
            "status": change.status.value,
            "status_rule": change.rule,
            "status_sequence": change.sequence,
            "status_changed_at": change.changed_at,
            "seen_at": change.first_changed_at,
        }
        for post, change in sorted(newest.items())
    ]


def correction_rows(said: Iterable[PostCorrected]) -> list[Row]:
    """Return the corrections of posts we can name; the text a correction may carry is nobody's business here."""
    rows = {
        each.correction_id: {
            "correction_id": each.correction_id,
            "post_id": each.post_id,
            "verdict": each.verdict.value,
            "expected": list(each.expected_categories),
            "actual": list(each.actual_categories),
            "standing": each.standing.value,
            "corrected_at": each.corrected_at,
            "feedback_type": each.feedback_type.value,
            "reviewer": each.reviewer,
            "batch_id": each.batch_id,
            "version": each.version,
            "hold_until": each.hold_until,
        }
        for each in said
        if each.retracts is None and each.post_id is not None
    }
    return [rows[key] for key in sorted(rows)]


def latest_corrections(posts: Iterable[str], standing: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return the correction columns of each post from those of its corrections that nobody took back."""
    latest: dict[str, Mapping[str, Any]] = {}
    for row in sorted(standing, key=lambda row: (row["corrected_at"], row["correction_id"])):
        latest[row["post_id"]] = row
    return [
        {
            "post_id": post,
            "correction_id": found["correction_id"] if found else None,
            "correction_verdict": found["verdict"] if found else None,
            "correction_expected": found["expected"] if found else None,
            "corrected_at": found["corrected_at"] if found else None,
        }
        for post, found in ((post, latest.get(post)) for post in sorted(set(posts)))
    ]


def tombstone_rows(said: Iterable[PostDeleted]) -> list[Row]:
    """Return a tombstone for each deleted post and each erased author."""
    rows = []
    for each in said:
        if each.post_id is not None:
            rows.append({"subject": post_subject(each.post_id), "deleted_at": each.deleted_at})
        elif each.platform is not None and each.author is not None:
            subject = author_subject(each.platform, each.author)
            rows.append({"subject": subject, "deleted_at": each.deleted_at})
    return sorted(rows, key=lambda row: row["subject"])


def author_subjects(scores: Iterable[PostScored]) -> list[str]:
    """Return the names of those who wrote these posts, as far as they have an author."""
    posts = (each.post for each in scores)
    return sorted({author_subject(post.platform, post.author) for post in posts if post.author is not None})


def trained_rows(said: Iterable[ModelTrained]) -> list[Row]:
    """Return the columns that training fills, one row per version of a model for all.

    A person's own model has a version per rating, and is nobody else's to read.
    """
    rows = {
        each.model_version: {
            "version": each.model_version,
            "name": each.model,
            "kind": each.kind.value,
            "run_id": each.run_id,
            "metrics": each.metrics,
            "examples": each.examples,
            "corrections": each.corrections,
            "trained_at": each.trained_at,
            "data_hash": each.data_hash,
            "layer": each.layer,
            "champion_metrics": each.champion_metrics,
        }
        for each in said
        if each.kind is ModelKind.GLOBAL
    }
    return [rows[key] for key in sorted(rows)]


def step_rows(events: Iterable[Event[ModelTrained] | Event[ModelPromoted]]) -> list[Row]:
    """Return a step per event about a model for all; that one is in force is said by its promotion alone."""
    rows = {}
    for event in events:
        said = event.data
        if said.kind is not ModelKind.GLOBAL:
            continue
        if isinstance(said, ModelPromoted):
            stage, at, replaces = "champion", said.promoted_at, said.replaces
        else:
            stage, at, replaces = said.stage or "candidate", event.time or said.trained_at, None
            if stage == "champion":
                continue
        rows[event.id] = {
            "event_id": event.id,
            "version": said.model_version,
            "stage": stage,
            "layer": said.layer,
            "reasons": list(said.reasons or ()),
            "replaces": replaces,
            "at": at,
        }
    return [rows[key] for key in sorted(rows)]


def promoted_rows(said: Iterable[ModelPromoted], known: Mapping[str, datetime]) -> list[Row]:
    """Return the columns that promotion fills; of several promotions of one version the latest counts.

    `known` holds when a version was promoted, as far as the table says.
    """
    newest: dict[str, ModelPromoted] = {}
    for each in sorted(said, key=lambda each: each.promoted_at):
        if each.model_version not in known or known[each.model_version] <= each.promoted_at:
            newest[each.model_version] = each
    return [
        {
            "version": version,
            "name": each.model,
            "kind": each.kind.value,
            "run_id": each.run_id,
            "promoted_at": each.promoted_at,
            "replaces": each.replaces,
        }
        for version, each in sorted(newest.items())
    ]


def touched(said: Sequence[PostCorrected]) -> list[str]:
    """Return the posts that corrections speak about."""
    return [each.post_id for each in said if each.post_id is not None]


def retracted(said: Sequence[PostCorrected]) -> list[Row]:
    """Return the corrections that were taken back, by whom and when, the first word counting."""
    rows: dict[str, Row] = {}
    for each in sorted(said, key=lambda each: each.corrected_at):
        if each.retracts is not None and each.retracts not in rows:
            back = {"retracted": True, "retracted_by": each.reviewer, "retracted_at": each.corrected_at}
            rows[each.retracts] = {"correction_id": each.retracts, **back}
    return [rows[key] for key in sorted(rows)]


def version_rows(said: Sequence[PostCorrected]) -> list[Row]:
    """Return how many words of reviewers each post has by now, as far as that was counted."""
    newest: dict[str, int] = {}
    for each in said:
        if each.post_id is not None and each.version is not None:
            newest[each.post_id] = max(each.version, newest.get(each.post_id, 0))
    return [{"post_id": post, "review_version": version} for post, version in sorted(newest.items())]
