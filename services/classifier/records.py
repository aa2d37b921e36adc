"""Between events and rows of the classifier's tables. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.classifier.scoring import Score, score_from_row, thresholds
from shared.events import Post, PostScored
from shared.ids import stable_id
from shared.vocabulary import CATEGORIES, ScoreSource

UNKNOWN = dict.fromkeys(CATEGORIES)


def post_row(post: Post, now: datetime) -> dict[str, Any]:
    """Return a post as a row."""
    return {
        "post_id": post.post_id,
        "platform": post.platform,
        "external_id": post.external_id,
        "text": post.text,
        "revision": post.revision,
        "language": post.language,
        "author": post.author,
        "url": post.url,
        "reply_to": post.reply_to,
        "created_at": post.created_at,
        "edited_at": post.edited_at,
        "seen_at": now,
    }


def post_of(row: Mapping[str, Any]) -> Post:
    """Return the post a row holds."""
    return Post.model_construct(
        post_id=row["post_id"],
        platform=row["platform"],
        external_id=row["external_id"],
        text=row["text"] or "",
        revision=row["revision"],
        language=row["language"],
        author=row["author"],
        url=row["url"],
        reply_to=row["reply_to"],
        created_at=row["created_at"],
        edited_at=row["edited_at"],
    )


def score_row(
    post: Post, score: Score, *, cause: str, model: str, version: str, threshold: float, run_id: str, now: datetime
) -> dict[str, Any]:
    """Return a score as a row of toxicity_scores."""
    return {
        "post_id": post.post_id,
        "source": ScoreSource.LOCAL.value,
        "model_version": version,
        "cause_id": cause,
        "revision": post.revision,
        "overall": score.overall,
        **UNKNOWN,
        **score.scores,
        "flagged": score.flagged,
        "model": model,
        "threshold": threshold,
        "run_id": run_id,
        "cost_usd": 0.0,
        "scored_at": now,
        "human_reviewed": False,
        "review_status": None,
        "reviewed_at": None,
    }


def scored(row: Mapping[str, Any], post: Post) -> PostScored:
    """Return what is said about a stored score."""
    score = score_from_row(row)
    return PostScored.model_construct(
        post=post,
        scores=score.scores,
        overall=score.overall,
        flagged=score.flagged,
        model=row["model"],
        model_version=row["model_version"],
        thresholds=thresholds(row["threshold"]),
        source=ScoreSource(row["source"]),
        cost_usd=row["cost_usd"],
        scored_at=row["scored_at"],
    )


def run_row(kind: str, model: str, version: str, now: datetime) -> dict[str, Any]:
    """Return a fresh analysis run; kind and model version make its id, so that there is one of each."""
    return {
        "id": stable_id("analysis_run", kind, version),
        "kind": kind,
        "state": "running",
        "model": model,
        "model_version": version,
        "started_at": now,
        "posts_total": 0,
        "scored": 0,
        "flagged": 0,
        "cost_usd": 0.0,
    }
