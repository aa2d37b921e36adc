"""What ingest keeps on disk: API keys (hashed), one-time invitations, its own secrets."""

from sqlalchemy import Column, MetaData, String, Table

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
