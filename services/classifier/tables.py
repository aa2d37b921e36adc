"""What the classifier keeps on disk. `toxicity_scores` and `analysis_runs` keep the names their users know."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

from shared.db import Json, Moment
from shared.vocabulary import CATEGORIES

metadata = MetaData()

posts = Table(
    "classifier_posts",
    metadata,
    Column("post_id", String(64), primary_key=True),
    Column("platform", String(64), nullable=False),
    Column("external_id", String(512), nullable=False),
    Column("text", Text),
    Column("text_key", LargeBinary(16)),  # the same for equal texts: services.classifier.overrides.fingerprint
    Column("revision", BigInteger, nullable=False),
    Column("language", String(35)),
    Column("author", String(64)),
    Column("url", Text),
    Column("reply_to", String(64)),
    Column("created_at", Moment),
    Column("edited_at", Moment),
    Column("seen_at", Moment, nullable=False),
    Index("classifier_posts_seen", "seen_at", "post_id"),
    Index("classifier_posts_author", "platform", "author"),
    Index("classifier_posts_text_key", "text_key"),
)

tombstones = Table(
    "classifier_tombstones",
    metadata,
    Column("subject", String(200), primary_key=True),
    Column("deleted_at", Moment, nullable=False),
    Column("because", String(200)),  # of a post that went with its author: the author's subject
    Index("classifier_tombstones_because", "because"),
)

scores = Table(
    "toxicity_scores",
    metadata,
    Column("post_id", String(64), primary_key=True),
    Column("source", String(8), primary_key=True),
    Column("model_version", String(64), primary_key=True),
    Column("cause_id", String(64), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("overall", Float, nullable=False),
    *(Column(category, Float) for category in CATEGORIES),
    Column("flagged", Boolean, nullable=False),
    Column("model", String(64), nullable=False),
    Column("threshold", Float, nullable=False),  # the one that decided; all of them: thresholds_hash
    Column("prompt_hash", String(64)),
    Column("thresholds_hash", String(64)),
    Column("data_hash", String(64)),
    Column("fallback", String(20)),  # why the local score stands where the LLM was to be asked
    Column("run_id", String(36), nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("scored_at", Moment, nullable=False),
    Column("human_reviewed", Boolean, nullable=False),
    Column("review_status", String(10)),
    Column("reviewed_at", Moment),
    Index("toxicity_scores_cause", "cause_id"),
)

thresholds = Table(
    "classifier_thresholds",
    metadata,
    Column("thresholds_hash", String(64), primary_key=True),
    Column("thresholds", Json, nullable=False),
    comment="what scores were judged by; scores name it by its hash",
)

chosen_thresholds = Table(
    "classifier_chosen_thresholds",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("thresholds", Json, nullable=False),
    Column("reason", String(500)),
    Column("command", String(128), unique=True),  # the Idempotency-Key it came with
    Column("by", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    comment="append-only: thresholds that people chose; the newest version is in force",
)

corrections = Table(
    "classifier_corrections",
    metadata,
    Column("correction_id", String(64), primary_key=True),
    Column("post_id", String(64), index=True),
    Column("verdict", String(10)),
    Column("corrected_at", Moment),
)

overrides = Table(
    "classifier_overrides",
    metadata,
    Column("correction_id", String(64), primary_key=True),
    Column("text_key", LargeBinary(16), index=True),
    Column("post_id", String(64), index=True),
    Column("labels", Json, nullable=False),
    Column("corrected_at", Moment, nullable=False),
    Column("felt_at", Moment, nullable=False),
    Column("retracted_at", Moment),
    Column("sequence", BigInteger, nullable=False),
    Index("classifier_overrides_sequence", "sequence", "correction_id"),
    comment="what people said of texts, each known by its fingerprint only",
)

counters = Table(
    "classifier_counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

retractions = Table(
    "classifier_retractions",
    metadata,
    Column("correction_id", String(64), primary_key=True),
)

models = Table(
    "classifier_models",
    metadata,
    Column("model_version", String(64), primary_key=True),
    Column("model", String(64), nullable=False),
    Column("artifact", String(64), nullable=False),
    Column("promoted_at", Moment, nullable=False),
)

runs = Table(
    "analysis_runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("state", String(12), nullable=False),
    Column("model", String(64), nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("posts_total", Integer, nullable=False),
    Column("scored", Integer, nullable=False),
    Column("flagged", Integer, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("error", Text),
    Column("facts", Json),
    Column("who", String(64)),
    Column("model_requested", String(64)),
    Column("model_answered", String(64)),
    Column("prompt_hash", String(64)),
    Column("batch_size", Integer),
    Column("concurrency", Integer),
    Column("limit", Integer),
    Column("retried", Integer),
    Column("failed", Integer),
    Column("dead_lettered", Integer),
    Column("input_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cost_nano", BigInteger),  # what cost_usd shows, to the nanodollar
    Column("price_in", Float),  # USD per million tokens
    Column("price_out", Float),
    Column("batch_id", String(100)),
)

questions = Table(
    "classifier_questions",
    metadata,
    Column("post_id", String(64), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("state", String(10), nullable=False),
    Column("cascade", Boolean, nullable=False),  # the LLM's word is joined with the local score
    Column("backfill", Boolean, nullable=False),  # of `ombud analyze`: nobody waits for a score
    Column("scored_locally", Boolean, nullable=False),  # hearers have a local score meanwhile
    Column("cause_id", String(64), nullable=False),
    Column("correlation_id", String(200)),
    Column("traceparent", String(200)),
    Column("asked_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("owner", String(64)),
    Column("slot", Integer),  # its place in a call of the Batch API
    Column("leased_until", Moment),
    Column("reason", String(100)),
    Column("source", String(8)),
    Column("model_version", String(64)),
    Column("announced_at", Moment),
    Index("classifier_questions_due", "state", "due_at"),
    Index("classifier_questions_run", "run_id", "state"),
    Index("classifier_questions_announced", "announced_at", "state"),
    comment="posts the LLM is asked about; their text stays in classifier_posts",
)

calls = Table(
    "classifier_llm_calls",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("run_id", String(36), nullable=False, index=True),
    Column("day", String(10), nullable=False, index=True),
    Column("state", String(8), nullable=False),
    Column("posts", Integer, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("model_answered", String(64)),
    Column("outcome", String(40)),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("unanswered", Integer, nullable=False),  # requests without an answer, counted at the worst price
    Column("reserved_nano", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Index("classifier_llm_calls_open", "state", "expires_at"),
    comment="one row per call to the LLM; money in nanodollars",
)

days = Table(
    "classifier_llm_days",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("reserved_nano", BigInteger, nullable=False),
    Column("spent_nano", BigInteger, nullable=False),
    comment="what the calls of a day (UTC) cost and may still cost",
)

shadows = Table(
    "classifier_shadows",
    metadata,
    Column("model_version", String(64), primary_key=True),
    Column("model", String(64), nullable=False),
    Column("artifact", String(64), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("ended_by", String(100)),
    Column("seen_at", Moment, nullable=False),  # with post_id: the last post that both models looked at
    Column("post_id", String(64), nullable=False),
    Column("posts", BigInteger, nullable=False),
    comment="models that score beside the one in force; nothing of them is said",
)

shadow_counts = Table(
    "classifier_shadow_counts",
    metadata,
    Column("shadow_version", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("category", String(20), primary_key=True),  # or `any`: the whole post
    Column("posts", BigInteger, nullable=False),
    Column("champion", BigInteger, nullable=False),  # posts that it flags
    Column("shadow", BigInteger, nullable=False),
    Column("gained", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("difference", Float, nullable=False),  # sum of absolute differences
    Column("largest", Float, nullable=False),
)

shadow_posts = Table(
    "classifier_shadow_posts",
    metadata,
    Column("shadow_version", String(64), primary_key=True),
    Column("post_id", String(64), primary_key=True),
    Column("champion_version", String(64), nullable=False),
    Column("gained", Json, nullable=False),
    Column("lost", Json, nullable=False),
    Column("difference", Float, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Index("classifier_shadow_posts_difference", "shadow_version", "difference"),
    comment="posts that one of two models flags and the other does not; no text",
)

near_words = Table(
    "classifier_near_words",
    metadata,
    Column("correction_id", String(64), primary_key=True),
    Column("post_id", String(64), primary_key=True),
    comment="posts that a correction of nearly the same text was said for",
)
