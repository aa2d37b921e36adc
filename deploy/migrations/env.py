"""Alembic's entry: runs one service's migrations on the connection that shared.migrate hands over."""

from typing import Any

from alembic import context
from sqlalchemy import JSON
from sqlalchemy.sql.elements import False_, True_

from shared.db import Moment
from shared.migrate import version_table

attributes = context.config.attributes
metadata = attributes["metadata"]


def is_ours(name: str | None, kind: str, _: Any) -> bool:
    """Return whether a table belongs to this service; in PostgreSQL all services share one database."""
    return kind != "table" or name in metadata.tables


def render(kind: str, item: Any, autogenerate: Any) -> Any:
    """Return how our own column types are written; a migration depends on no code that may change."""
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON):
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    if kind == "server_default" and isinstance(getattr(item, "arg", None), (False_, True_)):
        return f"sa.{str(item.arg).lower()}()"  # SQLite's 0 would be no boolean to PostgreSQL
    return False


context.configure(
    connection=attributes["connection"],
    target_metadata=metadata,
    version_table=version_table(attributes["service"]),
    transactional_ddl=False,  # the caller's transaction holds everything
    render_as_batch=False,
    include_name=is_ours,
    render_item=render,
    compare_type=True,
)
context.run_migrations()
