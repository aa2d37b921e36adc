"""What the classifier keeps on disk. `toxicity_scores` and `analysis_runs` keep the names their users know."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

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
    Column("threshold", Float, nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("scored_at", Moment, nullable=False),
    Column("human_reviewed", Boolean, nullable=False),
    Column("review_status", String(10)),
    Column("reviewed_at", Moment),
    Index("toxicity_scores_cause", "cause_id"),
)

corrections = Table(
    "classifier_corrections",
    metadata,
    Column("correction_id", String(64), primary_key=True),
    Column("post_id", String(64), index=True),
    Column("verdict", String(10)),
    Column("corrected_at", Moment),
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
)
