"""The auditor's tables. None of them has a column that could hold a post's text."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, false

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
    Index("auditor_statuses_by_status", "status", "post_id"),
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
)
"""Append-only: a row is never changed."""

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
    Column("promoted_at", Moment, nullable=False, comment="the last time; the newest is in force"),
    Index("auditor_systems_by_time", "promoted_at"),
)
"""Every model that was put in force, by name, version and artifact: what audits are of."""
