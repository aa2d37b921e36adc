"""The auditor's tables. None of them has a column that could hold a post's text."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text, false

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
