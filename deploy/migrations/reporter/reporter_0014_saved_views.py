"""saved views"""

import sqlalchemy as sa
from alembic import op

revision = "reporter_0014"
down_revision = "reporter_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reporter_views",
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("team", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("slug"),
    )
    op.create_index(op.f("ix_reporter_views_person_id"), "reporter_views", ["person_id"], unique=False)
