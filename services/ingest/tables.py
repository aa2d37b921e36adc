"""What ingest keeps on disk: API keys (hashed), invitations, its own secrets, cursors, answers, and Coral's events."""

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

from shared.db import Json, Moment

metadata = MetaData()

api_keys = Table(
    "ingest_api_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
)

invitations = Table(
    "ingest_invitations",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

secrets = Table(
    "ingest_secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String(200), nullable=False),
)

cursors = Table(
    "ingest_cursors",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("cursor", Json),
    Column("owner", String(200)),
    Column("lease_until", Moment),
    Column("state", String(16), nullable=False),
    Column("error", String(500)),
    Column("posts", Integer, nullable=False),
    Column("moved_at", Moment),
)
"""Where each collector goes on, and which process collects: at most one holds a lease at a time."""

requests = Table(
    "ingest_requests",
    metadata,
    Column("principal", String(36), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer),
    Column("body", LargeBinary),
    Column("received_at", Moment, nullable=False),
)
"""Requests with an Idempotency-Key (kept as its hash): the answer, once there is one."""
Index("ix_ingest_requests_received_at", requests.c.received_at)

coral_events = Table(
    "ingest_coral_events",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("event_id", String(128), primary_key=True),
    Column("type", String(128), nullable=False),
    Column("comment_id", String(128)),
    Column("story_id", String(128)),
    Column("queue", String(128)),
    Column("status", String(128)),
    Column("created_at", Moment),
    Column("received_at", Moment, nullable=False),
)
"""What Coral's webhooks told: ids and types, no text, no person."""
Index("ix_ingest_coral_events_received_at", coral_events.c.received_at)
