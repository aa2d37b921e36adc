"""The auditor's tables: statuses and their history, and what audits look at. Only `auditor_posts` holds text."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

from shared.db import Json, Moment

metadata = MetaData()

statuses = Table(
    "auditor_statuses",
    metadata,
    Column("post_id", Text, primary_key=True),
    Column("status", String(20), comment="empty while only the deletion of the post was heard"),
    Column("rule", String(20), comment="whose opinion decides: model or reviewer"),
    Column("opinions", Json, nullable=False, comment="source -> its newest opinion"),
    Column("revision", BigInteger, nullable=False),
    Column("model_version", Text),
    Column("sequence", Integer, nullable=False, comment="how many steps the history has"),
    Column("first_status", String(20)),
    Column("first_changed_at", Moment),
    Column("changed_at", Moment),
    Column("last_judged_at", Moment),
    Column("deleted_at", Moment),
    Column("ratings", Json, comment="rater -> their newest rating, for the consensus"),
    Column("marks", Json, comment="the status history's record, times in ms; empty: an earlier release wrote the row"),
    Column("locked", Boolean, nullable=False, server_default=false()),
    Column("hold_until", Moment, comment="when a flag that waits will show"),
    Column("due_at", Moment, comment="when time itself moves the record next: the end of a hold, a lock"),
    Index("auditor_statuses_by_status", "status", "post_id"),
)
Index(
    "auditor_statuses_due",
    statuses.c.due_at,
    sqlite_where=statuses.c.due_at.is_not(None),
    postgresql_where=statuses.c.due_at.is_not(None),
)

status_changes = Table(
    "auditor_status_changes",
    metadata,
    Column("post_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("status", String(20), nullable=False),
    Column("previous", String(20)),
    Column("rule", String(20), nullable=False),
    Column("model_version", Text),
    Column("cause_id", Text, nullable=False, unique=True, comment="the event that caused it"),
    Column("changed_at", Moment, nullable=False, comment="when the judgement behind it was made"),
    Column("changes", Json, comment="kind, before, after of each; empty in a row of an earlier release"),
    Column("locked", Boolean, nullable=False, server_default=false()),
    Column("hold_until", Moment),
    Column("policy", Text, comment="the version of the policy"),
    Column("round_id", Text),
    Column("actor", Text, comment="who opened a lock"),
    Column("reason", Text),
    Column("announced_at", Moment, comment="empty until the announcer said it; what an event caused leaves with it"),
    Column("first_status", String(20), comment="for the announcer"),
    Column("first_changed_at", Moment),
)
"""Append-only: but for having been said, a row is never changed."""
Index(
    "auditor_status_changes_unsaid",
    status_changes.c.announced_at,
    sqlite_where=status_changes.c.announced_at.is_(None),
    postgresql_where=status_changes.c.announced_at.is_(None),
)

judgements = Table(
    "auditor_judgements",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("cause_id", Text, nullable=False, unique=True, comment="the event that brought it"),
    Column("post_id", Text, nullable=False),
    Column("rule", String(20), nullable=False, comment="whose it is; time and unlock are nobody's opinion"),
    Column("id", Text, nullable=False),
    Column("judged_at", Moment, nullable=False),
    Column("status", String(20), comment="what it says of the post"),
    Column("taken_back", String(10), comment="retracts: it takes one back; void: it was taken back before it came"),
    Column("revision", BigInteger, nullable=False),
    Column("model_version", Text),
    Column("rater", Text, comment="who rated; a name of nobody once they took it back"),
    Column("extra", Json),
    Column("policy", Text, nullable=False, comment="the version of the policy it was heard under"),
    Index("auditor_judgements_by_post", "post_id", "number"),
)
"""Append-only, as received: the records are a fold over them, in the order of their numbers."""
Index(
    "auditor_judgements_by_rater",
    judgements.c.rater,
    sqlite_where=judgements.c.rater.is_not(None),
    postgresql_where=judgements.c.rater.is_not(None),
)

rounds = Table(
    "auditor_rounds",
    metadata,
    Column("round_id", String(36), primary_key=True),
    Column("version", Text, nullable=False, comment="the full training whose scores of older posts wait"),
    Column("number", Integer, nullable=False, comment="which round of this training, from 1"),
    Column("state", String(20), nullable=False, comment="gathering, held, applying, applied or discarded"),
    Column("decision", String(20), comment="passed, confirmed, rolled_back or superseded"),
    Column("opened_at", Moment, nullable=False),
    Column("last_heard_at", Moment, nullable=False, comment="when the last score came"),
    Column("rows", Integer, nullable=False, comment="posts that were counted"),
    Column("flips", Json, comment="per subset: flagged before and after, gained, lost, which side failed"),
    Column("examples", Json, comment="per subset that failed: ids of some posts"),
    Column("judged_at", Moment, comment="when its flips were last counted"),
    Column("decided_at", Moment),
    Column("decided_by", Text, comment="a person; empty if the gate or another model did"),
    Column("reason", Text),
    Column("closed_at", Moment, comment="empty while something is to be done"),
    Column("announced_at", Moment, comment="empty until a person's decision was said"),
    Index("auditor_rounds_by_version", "version", "number", unique=True),
)

staged_scores = Table(
    "auditor_staged_scores",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("cause_id", Text, nullable=False, unique=True, comment="the event that brought it"),
    Column("round_id", String(36), nullable=False),
    Column("post_id", Text, nullable=False),
    Column("judged", Boolean, nullable=False, server_default=false(), comment="its round was decided with it"),
    Column("judged_at", Moment, nullable=False),
    Column("status", String(20), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("edited_at", Moment),
    Column("model_version", Text, nullable=False),
    Column("subsets", Json, nullable=False, comment="all, platform, language, highest category"),
    Index("auditor_staged_scores_by_round", "round_id", "judged", "post_id"),
)
"""Scores that wait for their round; a page of them leaves in the transaction that applies it."""

corrections = Table(
    "auditor_corrections",
    metadata,
    Column("correction_id", Text, primary_key=True),
    Column("post_id", Text, comment="empty while only the retraction was heard"),
    Column("status", String(20), comment="what the correction says of the post"),
    Column("corrected_at", Moment),
    Column("retracted", Boolean, nullable=False, server_default=false()),
    Index("auditor_corrections_by_post", "post_id", "corrected_at"),
)

audits = Table(
    "auditor_audits",
    metadata,
    Column("audit_id", String(36), primary_key=True),
    Column("owner", Text, nullable=False, comment="id of the key that began it; it is also the rater"),
    Column("version", Integer, nullable=False, comment="of the row: a change names the one it saw"),
    Column("request_hash", String(64), nullable=False, comment="of the request that began it, for its repetition"),
    Column("kind", String(20), nullable=False, comment="personal, topic or group"),
    Column("title", Text, nullable=False),
    Column("model", String(64), nullable=False, comment="which model of the owner's; empty: the one everybody has"),
    Column("topic", Integer, comment="of a topic audit"),
    Column("group_id", String(36), comment="of a group audit"),
    Column("system", Text, nullable=False, comment="the audited model's name when the audit began"),
    Column("system_version", Text, nullable=False),
    Column("cut", Float, nullable=False, comment="the rating from which a post is toxic"),
    Column("scaffold", String(20), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("archived_at", Moment),
    Index("auditor_audits_by_owner", "owner", "created_at", "audit_id"),
)

named_models = Table(
    "auditor_named_models",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("model", String(64), primary_key=True, comment="the opaque id ratings carry"),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
"""What people call their models: a name is data, and in no id, path or event."""

draws = Table(
    "auditor_draws",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="the seed follows from these three"),
    Column("audit_id", String(36), nullable=False),
    Column("command", String(64), comment="hash of the Idempotency-Key it was asked with"),
    Column("topic", Integer),
    Column("asked", Integer, nullable=False),
    Column("method", String(20), nullable=False, comment="severities, or nearest to the cut and least known"),
    Column("seed", String(64), nullable=False),
    Column("posts", Json, nullable=False, comment="ids in the order in which they are shown"),
    Column("system_version", Text, nullable=False),
    Column("model_version", Integer, comment="of the owner's model, empty before its first"),
    Column("made_at", Moment, nullable=False),
    Index("auditor_draws_by_audit", "audit_id"),
)
"""Append-only: which posts a person was given to rate, by which rule."""

evidence = Table(
    "auditor_evidence",
    metadata,
    Column("audit_id", String(36), primary_key=True),
    Column("post_id", Text, primary_key=True),
    Column("judgement", String(10), nullable=False, comment="the person's own: agree, disagree, unsure"),
    Column("note", Text, nullable=False, comment="in their own words; emptied when the post is erased"),
    Column("snapshot", Json, nullable=False, comment="what system and model said when it was added"),
    Column("added_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("deleted_at", Moment, comment="when the post was taken away"),
    Index("auditor_evidence_by_post", "post_id"),
)

snapshots = Table(
    "auditor_audit_snapshots",
    metadata,
    Column("audit_id", String(36), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("cause", String(20), nullable=False, comment="begun, or promoted"),
    Column("system", Text, nullable=False),
    Column("system_version", Text, nullable=False),
    Column("model_version", Integer, comment="of the person's model"),
    Column("figures", Json, nullable=False),
    Column("differences", Json, comment="from the snapshot before"),
    Column("data_hash", String(64), nullable=False, comment="of all columns the figures follow from"),
    Column("decisions", String(64), comment="what the system decided of each post then"),
    Column("taken_at", Moment, nullable=False),
)
"""Append-only: an audit's figures under each system it has seen."""

systems = Table(
    "auditor_systems",
    metadata,
    Column("model_version", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("artifact", Text, nullable=False),
    Column("replaces", Text),
    Column("layer", String(20), comment="replay, refit, rollback or start; empty: an earlier release wrote the row"),
    Column("root", Text, comment="the full training it goes on from; empty: an earlier release wrote the row"),
    Column("gated", Boolean, comment="whether its scores of older posts have to pass the churn gate"),
    Column("promoted_at", Moment, nullable=False, comment="the last time; the newest is in force"),
    Index("auditor_systems_by_time", "promoted_at"),
)
"""Every model that was put in force, by name, version and artifact: what audits are of."""

posts = Table(
    "auditor_posts",
    metadata,
    Column("post_id", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("author", Text),
    Column("text", Text),
    Column("language", Text),
    Column("rank", String(33), nullable=False, comment="revision, then scored_at, as digits: the greatest counts"),
    Column("scores", Json, nullable=False),
    Column("overall", Float, nullable=False),
    Column("threshold", Float, nullable=False, comment="the one that decided"),
    Column("flagged", Boolean, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("scored_at", Moment, nullable=False),
    Column("gone", Boolean, nullable=False, comment="erased: neither text nor author is left"),
    Column("hidden", Boolean, nullable=False, comment="the platform hides its author for now"),
    Column("sequence", BigInteger, nullable=False, comment="which change of the corpus wrote the row last"),
    Index("auditor_posts_by_sequence", "sequence"),
    Index("auditor_posts_by_author", "platform", "author"),
)
"""The posts audits look at: the newest ones, as they were scored last."""

ratings = Table(
    "auditor_ratings",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("rater", Text, nullable=False),
    Column("model", Text, nullable=False, comment="empty: the model everybody has"),
    Column("post_id", Text, nullable=False),
    Column("rating", Integer, comment="empty: unsure"),
    Column("rated_at", Moment, nullable=False),
    Column("said_at", Moment, nullable=False, comment="when it came in"),
    Column("sequence", BigInteger, nullable=False),
    Index("auditor_ratings_by_person", "rater", "model"),
    Index("auditor_ratings_by_post", "post_id"),
    Index("auditor_ratings_by_sequence", "sequence"),
)
"""Every rating that was not taken back, of posts that are not erased; of several of one post the newest counts."""

withdrawals = Table(
    "auditor_withdrawals",
    metadata,
    Column("rater", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="* for all of theirs"),
    Column("withdrawn_at", Moment, nullable=False),
)
"""Until when a person took their ratings back: late copies, and models made of them, meet it and go."""

models = Table(
    "auditor_models",
    metadata,
    Column("rater", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="empty: the model everybody has"),
    Column("version", Integer, nullable=False),
    Column("posterior", Json, nullable=False),
    Column("trained_at", Moment, nullable=False),
)
"""The newest version of each person's models, whole."""

model_versions = Table(
    "auditor_model_versions",
    metadata,
    Column("rater", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("labels", Integer, nullable=False),
    Column("unsure", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("errors", Json, nullable=False),
    Column("baselines", Json, nullable=False),
    Column("population", Text, comment="the artifact it stands on; empty: the system's own word"),
    Column("trained_at", Moment, nullable=False),
)
"""What each version was worth: how well a model knew its person as they rated more."""

groups = Table(
    "auditor_groups",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("ratings", Integer, nullable=False),
    Column("population", Text, nullable=False),
    Column("trained_at", Moment, nullable=False),
    Column("artifact", String(64), comment="its model: mean and deviation of every post"),
)
"""What is known of groups that were compared with the crowd; not who is in them."""

foundations = Table(
    "auditor_foundations",
    metadata,
    Column("model_version", Text, primary_key=True),
    Column("foundation", String(20), nullable=False, comment="population or topics"),
    Column("artifact", String(64), nullable=False),
    Column("trained_at", Moment, nullable=False),
)
"""What personal models and topics stand on: names of artifacts; the newest counts."""

tombstones = Table(
    "auditor_tombstones",
    metadata,
    Column("subject", Text, primary_key=True, comment="a post id or an author's subject"),
    Column("deleted_at", Moment, nullable=False),
)

hidings = Table(
    "auditor_hidings",
    metadata,
    Column("subject", Text, primary_key=True, comment="an author's subject"),
    Column("hidden", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
)

counters = Table(
    "auditor_counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""`corpus`: the number of the last change, taken by whoever changes the corpus and held until the commit, so that
numbers become visible in their order; `horizon`: rows up to this change have left the corpus."""

decisions = Table(
    "auditor_decisions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("packed", LargeBinary, nullable=False, comment="ids of posts, and whether each was flagged"),
)
"""What a system decided of all posts at one moment, once for all snapshots of it."""
