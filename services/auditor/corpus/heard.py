"""From events to rows of the corpus. Pure.

Invariant: whatever the order and however often events come, the same rows remain but for the number of their change.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from shared.bus.erasures import author_subject
from shared.events import Event, ModelTrained, PostRated, PostScored
from shared.heard import erased_since
from shared.thresholds import decisive
from shared.vocabulary import ModelKind

EVERY = "*"
"""Stands for all models of a person where they take back what they said; no model is called so."""
Row = dict[str, Any]
Until = Mapping[tuple[str, str], datetime]
"""(rater, model) -> until when ratings are taken back."""


def subjects(scores: Iterable[PostScored]) -> set[str]:
    """Return under which names these posts may have been erased or hidden."""
    names = set()
    for post in (each.post for each in scores):
        names.add(post.post_id)
        if post.author is not None:
            names.add(author_subject(post.platform, post.author))
    return names


def post_row(
    mine: str, scored: PostScored, erased: Mapping[str, datetime], hidden: Collection[str], change: int
) -> Row:
    """Return a post as it is kept; without text and author if it is erased."""
    post = scored.post
    gone = bool(erased) and erased_since(scored, erased) is not None
    unseen = bool(hidden) and post.author is not None and author_subject(post.platform, post.author) in hidden
    return {
        "post_id": post.post_id,
        "platform": post.platform,
        "author": None if gone else post.author,
        "text": None if gone else post.text,
        "language": post.language,
        "rank": mine,
        "scores": scored.scores,
        "overall": scored.overall,
        "threshold": decisive(scored.scores, scored.thresholds),
        "flagged": scored.flagged,
        "model_version": scored.model_version,
        "scored_at": scored.scored_at,
        "gone": gone,
        "hidden": unseen and not gone,
        "sequence": change,
    }


def withdrawals(heard: Iterable[Event[PostRated]]) -> Until:
    """Return until when people take back what they said, by (rater, model); EVERY model is one of its own."""
    found: dict[tuple[str, str], datetime] = {}
    for event in heard:
        if event.data.withdrawn is not None:
            whose = event.data.rater, EVERY if event.data.withdrawn == "all" else event.data.model or ""
            found[whose] = max(said_at(event), found.get(whose, said_at(event)))
    return found


def withdrawn_until(rater: str, model: str, found: Until) -> datetime | None:
    """Return until when a person's ratings of one model are taken back, None if they are not."""
    return max((found[each] for each in ((rater, model), (rater, EVERY)) if each in found), default=None)


def said_at(event: Event[PostRated]) -> datetime:
    """Return when a rating came in; when it was judged its author may say as they like."""
    return event.time or event.data.rated_at


def rating_rows(
    heard: Iterable[Event[PostRated]], erased: Mapping[str, datetime], withdrawn: Until, change: int
) -> list[Row]:
    """Return ratings as they are kept, sorted by event; none of an erased post, none that was taken back."""
    rows = {
        event.id: {
            "event_id": event.id,
            "rater": event.data.rater,
            "model": event.data.model or "",
            "post_id": event.data.post_id,
            "rating": event.data.rating,
            "rated_at": event.data.rated_at,
            "said_at": said_at(event),
            "sequence": change,
        }
        for event in heard
        if event.data.withdrawn is None and event.data.post_id not in erased
        if (until := withdrawn_until(event.data.rater, event.data.model or "", withdrawn)) is None
        or until < said_at(event)
    }
    return [rows[name] for name in sorted(rows)]


def raters(heard: Iterable[ModelTrained]) -> set[str]:
    """Return whose models these are."""
    return {each.posterior.rater for each in heard if each.posterior is not None}


def model_rows(heard: Iterable[ModelTrained], withdrawn: Until) -> tuple[list[Row], list[Row]]:
    """Return the newest version of each person's model of these, and what every version was worth.

    One that was made of ratings that are taken back is none; the first without them is of that very moment.
    """
    newest: dict[tuple[str, str], Row] = {}
    versions: dict[tuple[str, str, int], Row] = {}
    for model in heard:
        told = model.posterior
        if model.kind is not ModelKind.PERSONAL or told is None:
            continue
        who = (told.rater, told.model or "")
        until = withdrawn_until(*who, withdrawn)
        if until is not None and model.trained_at < until:
            continue
        mine = {"rater": who[0], "model": who[1], "version": told.version, "trained_at": model.trained_at}
        if who not in newest or newest[who]["version"] <= told.version:
            newest[who] = {**mine, "posterior": told.model_dump(mode="json")}
        versions[*who, told.version] = {
            **mine,
            "labels": told.labels,
            "unsure": told.unsure,
            "status": told.status,
            "errors": told.errors,
            "baselines": told.baselines,
            "population": told.population,
        }
    return [newest[each] for each in sorted(newest)], [versions[each] for each in sorted(versions)]


def group_rows(heard: Iterable[ModelTrained]) -> list[Row]:
    """Return what is said of groups, sorted."""
    rows = {
        model.model: {
            "group_id": model.model,
            "version": model.model_version,
            "metrics": model.metrics,
            "ratings": model.examples,
            "population": model.data_hash,
            "artifact": model.artifact,
            "trained_at": model.trained_at,
        }
        for model in sorted(heard, key=lambda each: each.trained_at)
        if model.kind is ModelKind.GROUP
    }
    return [rows[name] for name in sorted(rows)]


def foundation_rows(heard: Iterable[ModelTrained]) -> list[Row]:
    """Return what personal models and topics stand on from now on, sorted by version."""
    rows = {
        model.model_version: {
            "model_version": model.model_version,
            "foundation": model.foundation,
            "artifact": model.artifact,
            "trained_at": model.trained_at,
        }
        for model in heard
        if model.foundation is not None and model.artifact is not None
    }
    return [rows[name] for name in sorted(rows)]
