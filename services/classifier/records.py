"""Between events and rows of the classifier's tables. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from services.classifier.overrides import Corrected, fingerprint
from services.classifier.policy import Combined
from services.classifier.scoring import Score, score_from_row
from services.classifier.spans import carriers, utf16
from shared.events import Carried, ModelPromoted, Ngram, Post, PostScored, Span
from shared.ids import digest, stable_id
from shared.model.explain import Explanation
from shared.thresholds import OVERALL, decisive, over
from shared.trusted import trusted
from shared.vocabulary import CATEGORIES, ScoreSource

UNKNOWN = dict.fromkeys(CATEGORIES)
NGRAMS = 5
"""Heaviest pieces said of a flagged post."""


def post_row(post: Post, now: datetime) -> dict[str, Any]:
    """Return a post as a row."""
    return {
        "post_id": post.post_id,
        "platform": post.platform,
        "external_id": post.external_id,
        "text": post.text,
        "text_key": fingerprint(post.text),
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
    return trusted(
        Post,
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
    post: Post,
    score: Score,
    *,
    cause: str,
    model: str,
    version: str,
    thresholds: Mapping[str, float],
    run_id: str,
    now: datetime,
    data_hash: str | None = None,
    fallback: str | None = None,
) -> dict[str, Any]:
    """Return a local score as a row of toxicity_scores; `fallback` says why the LLM was not asked or did not answer."""
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
        "threshold": decisive(score.scores, thresholds),
        "prompt_hash": None,
        "thresholds_hash": thresholds_hash(thresholds),
        "data_hash": data_hash,
        "fallback": fallback,
        "run_id": run_id,
        "cost_usd": 0.0,
        "scored_at": now,
        "human_reviewed": False,
        "review_status": None,
        "reviewed_at": None,
    }


def thresholds_hash(values: Mapping[str, float]) -> str:
    """Return the SHA-256 of thresholds."""
    return _hash_of(tuple(sorted(values.items())))


@lru_cache(64)
def _hash_of(pairs: tuple[tuple[str, float], ...]) -> str:
    return digest(json.dumps(pairs).encode())


def thresholds_of(row: Mapping[str, Any], known: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the thresholds of a stored score; `known` is by hash. A row from before they were kept has one for all."""
    return dict(known.get(row["thresholds_hash"] or "", {OVERALL: row["threshold"]}))


def carried(text: str, category: str, explanation: Explanation) -> Carried:
    """Return what carried the score of a category, as it is said."""
    place = utf16(text)
    places = tuple(
        trusted(Span, begin=begin, end=end, utf16_begin=place(begin), utf16_end=place(end))
        for begin, end in carriers(explanation.words)
    )
    ngrams = tuple(
        trusted(Ngram, token=token, weight=round(weight, 3))
        for token, weight in explanation.ngrams(NGRAMS)
        if weight > 0
    )
    return trusted(Carried, category=category, places=places, ngrams=ngrams)


def scored(
    row: Mapping[str, Any],
    post: Post,
    thresholds: Mapping[str, float],
    corrected: Corrected | None = None,
    spans: Carried | None = None,
    moment: datetime | None = None,
) -> PostScored:
    """Return what is said about a stored score: its thresholds, and people's words in it if there are any."""
    score = corrected.score if corrected else score_from_row(row)
    return trusted(
        PostScored,
        post=post,
        scores=score.scores,
        overall=score.overall,
        flagged=score.flagged,
        model=row["model"],
        model_version=row["model_version"],
        thresholds=dict(thresholds),
        source=ScoreSource(row["source"]),
        cost_usd=row["cost_usd"],
        fallback=row["fallback"],
        corrected=(corrected.provenance or None) if corrected else None,
        residual=(corrected.residual or None) if corrected else None,
        spans=spans,
        scored_at=moment or row["scored_at"],
    )


def llm_score_row(
    post: Post,
    joined: Combined,
    *,
    model: str,
    version: str,
    prompt_hash: str,
    thresholds: Mapping[str, float],
    run_id: str,
    cost_usd: float,
    now: datetime,
) -> dict[str, Any]:
    """Return what the LLM said of a post, alone or joined with the local model, as a row of toxicity_scores."""
    overall = max(joined.scores.values(), default=0.0)
    score = Score(joined.scores, overall, bool(over(joined.scores, thresholds)))
    row = score_row(post, score, cause="", model=model, version=version, thresholds=thresholds, run_id=run_id, now=now)
    return row | {"source": joined.source.value, "prompt_hash": prompt_hash, "cost_usd": cost_usd}


def question_row(
    post_id: str,
    revision: int,
    *,
    run_id: str,
    cause: str,
    now: datetime,
    cascade: bool,
    scored: bool,
    backfill: bool,
    correlation_id: str | None = None,
    traceparent: str | None = None,
) -> dict[str, Any]:
    """Return a post the LLM is to be asked about. No text: that is read when the question is asked."""
    return {
        "post_id": post_id,
        "revision": revision,
        "run_id": run_id,
        "state": "queued",
        "cascade": cascade,
        "backfill": backfill,
        "scored_locally": scored,
        "cause_id": cause,
        "correlation_id": (correlation_id or "")[:200] or None,
        "traceparent": (traceparent or "")[:200] or None,
        "asked_at": now,
        "due_at": now,
        "attempts": 0,
        "alone": False,
    }


def llm_version(answered: str, prompt_hash: str) -> str:
    """Return the version of a score of the LLM: the model that answered, and the prompt."""
    return f"{answered[:50]}@{prompt_hash[:8]}"


REPLAY = "replay"
"""The layer of a model that is its predecessor and some corrections."""


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


def rescore_row(promoted: ModelPromoted, cause: str, now: datetime, few: int) -> dict[str, Any]:
    """Return the run that scores older posts again because of a promotion, known by the event that said it.

    A model that only learned some corrections scores `few` posts. `facts.versions` are the models whose scores count
    as new; of a model that was in force before, only those `facts.since` then.
    """
    back = promoted.layer == "rollback"
    return run_row("rescore", promoted.model, promoted.model_version, now) | {
        "id": stable_id("analysis_run", "rescore", cause),
        "limit": few if promoted.layer == REPLAY else None,
        "facts": {"versions": [promoted.model_version], "since": now.isoformat() if back else None},
    }


def facts_of(run: Any) -> dict[str, Any]:
    """Return `versions` and `since` of a rescoring run, also of one that an older release began."""
    return run.facts or {"versions": [run.model_version], "since": None}
