"""What the trainer keeps: posts, corrections and ratings to learn from, and the runs and models that came of them.

Invariant: of each kind and recipe at most one run is active; `slot` is `kind:recipe` while it is queued or running,
NULL afterwards, and unique.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

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
    Column("topics_version", String),
    Column("counted_at", Moment),
    Column("llm_flagged", Boolean),
)
"""`topics_version`: of the topic model that looked at it last; `counted_at`: when drift counted it. Each once.
`llm_flagged`: what an LLM made of it, absent where none was asked or a person has spoken since."""
Index("ix_trainer_posts_author", posts.c.platform, posts.c.author)
Index("ix_trainer_posts_topics_version", posts.c.topics_version)
Index("ix_trainer_posts_counted_at", posts.c.counted_at)
Index("ix_trainer_posts_scored_at", posts.c.scored_at)
Index("ix_trainer_posts_llm_flagged", posts.c.llm_flagged, posts.c.scored_at)

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
    Column("sampled", Boolean),
    Column("batch_id", String),
    Column("version", Integer),
    Column("hold_until", Moment),
    Column("corrected_at", Moment, nullable=False),
    Column("first_run_id", String(36)),
    Column("learned_by", String),
)
"""`batch_id` and `version` are kept for exports, and absent where an earlier release wrote the row; `hold_until`: until
then nothing learns from it; `first_run_id`: the first run whose snapshot held it;
`learned_by`: the first model that learned from it."""
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
"""What processes of the version before still write to; `rating_log` took its place and its rows."""

rating_log = Table(
    "trainer_rating_log",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("rater", String, nullable=False),
    Column("model", String, nullable=False),
    Column("post_id", String, nullable=False),
    Column("rating", Integer),
    Column("rated_at", Moment, nullable=False),
    Column("heard_at", Moment, nullable=False),
    Column("system", Float),
    Column("gone", Boolean, nullable=False),
    Column("version", Integer),
    Column("said_at", Moment),
)
"""Every rating that was heard and not taken back; `said_at` is when it came in. `model` is empty for the model that
everybody has; `rating` NULL is unsure. `system` is what the system said of the post, 0-4, when it was first asked;
`gone`: the post was deleted. `version` is the version that first held it, NULL if it changed nothing."""
Index("ix_trainer_rating_log_rater", rating_log.c.rater, rating_log.c.model)
Index("ix_trainer_rating_log_post_id", rating_log.c.post_id)
Index("ix_trainer_rating_log_heard_at", rating_log.c.heard_at)

withdrawals = Table(
    "trainer_withdrawals",
    metadata,
    Column("rater", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("withdrawn_at", Moment, nullable=False),
)
"""Until when a person took their ratings back; `model` is `*` for all of theirs. Late copies meet it and go."""

personal_models = Table(
    "trainer_personal_models",
    metadata,
    Column("rater", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("population", String(64), nullable=False),
)
"""One person's model: its newest version, and the population artefact behind that; empty: none. Who makes a version
holds this row, so that two processes never make the same one."""
Index("ix_trainer_personal_models_population", personal_models.c.population)

personal_versions = Table(
    "trainer_personal_versions",
    metadata,
    Column("rater", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("said", Text, nullable=False),
    Column("announced_at", Moment),
)
"""Every version as `models.trained` says it. `announced_at` is empty until the announcer said it; a version that a
rating led to is said with that rating, and needs no announcer."""
Index(
    "ix_trainer_personal_versions_unsaid",
    personal_versions.c.announced_at,
    sqlite_where=personal_versions.c.announced_at.is_(None),
    postgresql_where=personal_versions.c.announced_at.is_(None),
)

populations = Table(
    "trainer_populations",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("run_id", String(36), nullable=False, unique=True),
    Column("artifact", String(64), nullable=False),
    Column("data_hash", String(64), nullable=False),
    Column("posts", Integer, nullable=False),
    Column("raters", Integer, nullable=False),
    Column("ratings", Integer, nullable=False),
    Column("counted_at", Moment, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("announced_at", Moment),
)
"""What personal models stand on; the newest counts. It knows the ratings that were heard up to `counted_at`."""

traits = Table(
    "trainer_traits",
    metadata,
    Column("rater", String, primary_key=True),
    Column("axis", String, primary_key=True),
    Column("value", String, primary_key=True),
)
"""What people say of themselves, by pseudonym; they can take it back."""

groups = Table(
    "trainer_groups",
    metadata,
    Column("group_id", String(36), primary_key=True),
    Column("traits", Json, nullable=False),
    Column("state", String, nullable=False),
    Column("requested_by", String),
    Column("requested_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("population", String(64)),
    Column("reason", Text),
    Column("result", Json),
    Column("announced_at", Moment),
    Column("artifact", String(64)),
    Column("data_hash", String(64)),
)
"""Groups somebody asked about; `state` is queued, done or refused. `artifact` is the group's model."""

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
    Column("kind", String, nullable=False, server_default="refit"),
    Column("slot", String),
    Column("options", Json),
    Column("champion", String),
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
"""`active` is what an earlier version kept instead of `slot`; `champion` is the version in force at the snapshot."""
Index("ix_trainer_runs_requested_at", runs.c.requested_at)
Index("ix_trainer_runs_slot", runs.c.slot, unique=True)

steps = Table(
    "trainer_steps",
    metadata,
    Column("run_id", String(36), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("log", Json, nullable=False),
    Column("artifacts", Json, nullable=False),
)
"""`log` is a list of {at, line}, the newest of them; `artifacts` names what a step left by its SHA-256."""

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
    Column("stage", String, nullable=False, server_default="candidate"),
    Column("layer", String, nullable=False, server_default="refit"),
    Column("parent", String),
    Column("root", String),
    Column("checks", Json),
)
"""`parent`: the model a replay went on from; `root`: the refit its lineage began with (itself for a refit).

`announced_at` is what an earlier version kept; what is said about a model is in `trainer_stages` now.
"""
Index("ix_trainer_models_root", models.c.root)

stages = Table(
    "trainer_stages",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("version", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("layer", String),
    Column("by", String),
    Column("reasons", Json, nullable=False),
    Column("at", Moment, nullable=False),
    Column("cause", String, nullable=False),
    Column("trained", Json),
    Column("promoted", Json),
    Column("announced_at", Moment),
)
"""The history of every model, append-only; `trained` and `promoted` are what is said about a step of it."""
Index("ix_trainer_stages_version", stages.c.version)

champions = Table(
    "trainer_champions",
    metadata,
    Column("kind", String, primary_key=True),
    Column("version", String),
)
"""Which model is in force. It changes by compare-and-set only, so of two promotions at once one is refused."""

lessons = Table(
    "trainer_lessons",
    metadata,
    Column("correction_id", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("layer", String, nullable=False),
    Column("taught", Boolean, nullable=False),
    Column("before", Json, nullable=False),
    Column("after", Json, nullable=False),
    Column("learned_at", Moment, nullable=False),
)
"""Which corrections a model looked at; not `taught` are those that said nothing new. Scores are by category."""
Index("ix_trainer_lessons_version", lessons.c.version)

model_facts = Table(
    "trainer_model_facts",
    metadata,
    Column("version", String, primary_key=True),
    Column("facts", Json, nullable=False),
    Column("card", String(64)),
    Column("plots", Json, nullable=False),
    Column("run", String),
    Column("number", String),
    Column("logged_at", Moment),
)
"""Everything that is logged of a model; `run` and `number` are its run and version in MLflow, once it is there."""

aliases = Table(
    "trainer_aliases",
    metadata,
    Column("alias", String, primary_key=True),
    Column("version", String),
    Column("registered", String),
)
"""Which model an alias belongs to, and to which one it belongs in MLflow."""

topic_models = Table(
    "trainer_topic_models",
    metadata,
    Column("version", String, primary_key=True),
    Column("sequence", Integer, nullable=False, unique=True),
    Column("run_id", String(36), nullable=False, unique=True),
    Column("artifact", String(64), nullable=False),
    Column("data_hash", String(64), nullable=False),
    Column("posts", Integer, nullable=False),
    Column("outliers", Integer, nullable=False),
    Column("vanished", Json, nullable=False),
    Column("fitted_at", Moment, nullable=False),
)

topics = Table(
    "trainer_topics",
    metadata,
    Column("version", String, primary_key=True),
    Column("topic", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("n", Integer, nullable=False),
    Column("share", Float, nullable=False),
    Column("large", Boolean, nullable=False),
)
"""`n` and `share` are of the corpus the model was fitted on: what drift of topics is measured against."""

post_topics = Table(
    "trainer_post_topics",
    metadata,
    Column("post_id", String, primary_key=True),
    Column("topic", Integer, nullable=False),
    Column("score", Float, nullable=False),
    Column("topics_version", String, nullable=False),
    Column("scored_at", Moment, nullable=False),
)
"""`score` is the cosine to the nearest topic, also of a post that is too far from it to belong (topic -1)."""
Index("ix_trainer_post_topics_topic", post_topics.c.topics_version, post_topics.c.topic, post_topics.c.score)
Index("ix_trainer_post_topics_scored_at", post_topics.c.topics_version, post_topics.c.scored_at)

drift_references = Table(
    "trainer_drift_references",
    metadata,
    Column("reference", String, primary_key=True),
    Column("posts", Integer, nullable=False),
    Column("thresholds", Json, nullable=False),
    Column("words", LargeBinary, nullable=False),
    Column("made_at", Moment, nullable=False),
)
"""What a full training (`reference` is its model's version) found: the words of its posts, as a set of hashes."""

drift_days = Table(
    "trainer_drift_days",
    metadata,
    Column("reference", String, primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("signal", String, primary_key=True),
    Column("part", String, primary_key=True),
    Column("bucket", String, primary_key=True),
    Column("n", BigInteger, nullable=False),
)
"""How many posts of a day (`YYYY-MM-DD`, or empty for the reference itself) fall into each bucket of a signal."""
