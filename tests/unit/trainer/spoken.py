"""Events as the other services would say them to the trainer."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.events import Event, Post, PostCorrected, PostDeleted, PostRated, PostScored, said
from shared.vocabulary import Verdict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """Return a moment some minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def scored(post_id: str, text: str = "some words", *, author: str = "anna", **changes: Any) -> Event[PostScored]:
    """Return what the classifier says about a post."""
    revision, created_at = changes.pop("revision", 0), changes.pop("created_at", None)
    language = changes.pop("language", None)
    post = Post(
        post_id=post_id,
        platform="test",
        external_id=post_id,
        text=text,
        author=author,
        language=language,
        revision=revision,
        created_at=created_at,
    )
    facts = {"scores": {"toxic": 0.2}, "overall": 0.2, "flagged": False, "scored_at": NOON, **changes}
    payload = PostScored(post=post, model="m", model_version="m-1", thresholds={}, **facts)
    return said(payload, by="classifier", cause=f"{post_id}|{revision}|{facts['scored_at']}")


def corrected(correction_id: str, post_id: str | None = None, **facts: Any) -> Event[PostCorrected]:
    """Return what ingest says about a correction: by default that the post is an insult."""
    given = {"verdict": Verdict.INCORRECT, "expected_categories": ("insult",), "corrected_at": NOON, **facts}
    return said(PostCorrected(correction_id=correction_id, post_id=post_id, **given), by="ingest", cause=correction_id)


def rated(post_id: str, rater: str, rating: int | None, minute: int = 0, model: str | None = None) -> Event[PostRated]:
    """Return one person's rating."""
    payload = PostRated(post_id=post_id, rater=rater, rating=rating, rated_at=at(minute), model=model)
    return said(payload, by="ingest", cause=f"{post_id}|{rater}|{minute}|{model}")


def deleted(post_id: str | None = None, *, author: str | None = None, when: int = 60) -> Event[PostDeleted]:
    """Return that a post, or everything of an author, was taken away."""
    platform = "test" if author else None
    payload = PostDeleted(post_id=post_id, platform=platform, author=author, deleted_at=at(when))
    return said(payload, by="ingest", cause=f"gone|{post_id}|{author}|{when}")
