"""What the trainer keeps: posts, corrections and ratings to learn from, and the runs and models that came of them.

Invariant: at most one run is active; `active` is 1 while it is queued or running, NULL afterwards, and unique.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

from shared.db import Json, Moment

metadata = MetaData()

posts = Table(
    "trainer_posts",
    metadata,
    Column("post_id", String, primary_key=True),
    Column("platform", String, nullable=False),
    Column("author", String),
    Column("text", Text),
    Column("language", String),
    Column("revision", BigInteger, nullable=False),
    Column("overall", Float, nullable=False),
    Column("scores", Json, nullable=False),
    Column("flagged", Boolean, nullable=False),
    Column("model_version", String, nullable=False),
    Column("scored_at", Moment, nullable=False),
    Column("deleted_at", Moment),
)
Index("ix_trainer_posts_author", posts.c.platform, posts.c.author)

corrections = Table(
    "trainer_corrections",
    metadata,
    Column("correction_id", String, primary_key=True),
    Column("post_id", String),
    Column("text", Text),
    Column("language", String),
    Column("verdict", String, nullable=False),
    Column("feedback_type", String, nullable=False),
    Column("expected", Json, nullable=False),
    Column("actual", Json, nullable=False),
    Column("spoke_about", Json, nullable=False),
    Column("reviewer", String),
    Column("standing", String, nullable=False),
    Column("retracts", String),
    Column("weak", Boolean),
    Column("corrected_at", Moment, nullable=False),
    Column("first_run_id", String(36)),
    Column("learned_by", String),
)
"""`first_run_id`: the first run whose snapshot held it; `learned_by`: the first model that learned from it."""
Index("ix_trainer_corrections_post_id", corrections.c.post_id)
Index("ix_trainer_corrections_retracts", corrections.c.retracts)
Index("ix_trainer_corrections_first_run_id", corrections.c.first_run_id)

ratings = Table(
    "trainer_ratings",
    metadata,
    Column("post_id", String, primary_key=True),
    Column("rater", String, primary_key=True),
    Column("rating", Integer),
    Column("rated_at", Moment, nullable=False),
)

tombstones = Table(
    "trainer_tombstones",
    metadata,
    Column("subject", String, primary_key=True),
    Column("deleted_at", Moment, nullable=False),
)
"""`subject` is a post id or `author:<platform>:<pseudonym>`."""

runs = Table(
    "trainer_runs",
    metadata,
    Column("run_id", String(36), primary_key=True),
    Column("trigger", String, nullable=False),
    Column("recipe", String, nullable=False),
    Column("state", String, nullable=False),
    Column("active", Integer, unique=True),
    Column("attempt", Integer, nullable=False),
    Column("owner", String),
    Column("requested_by", String),
    Column("requested_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("heartbeat_at", Moment),
    Column("finished_at", Moment),
    Column("examples", Integer),
    Column("corrections", Integer),
    Column("held_out", Integer),
    Column("metrics", Json),
    Column("champion_metrics", Json),
    Column("reasons", Json),
    Column("model_version", String),
    Column("error", Text),
)
Index("ix_trainer_runs_requested_at", runs.c.requested_at)

models = Table(
    "trainer_models",
    metadata,
    Column("version", String, primary_key=True),
    Column("sequence", Integer, nullable=False, unique=True),
    Column("model", String, nullable=False),
    Column("run_id", String(36), nullable=False, unique=True),
    Column("recipe", String, nullable=False),
    Column("artifact", String(64), nullable=False),
    Column("data_hash", String(64), nullable=False),
    Column("examples", Integer, nullable=False),
    Column("corrections", Integer, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("promoted", Boolean, nullable=False),
    Column("replaces", String),
    Column("reasons", Json, nullable=False),
    Column("trained_at", Moment, nullable=False),
    Column("promoted_at", Moment),
    Column("announced_at", Moment),
)
