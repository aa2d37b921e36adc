"""what is left of removed accounts"""

import sqlalchemy as sa
from alembic import op

revision = "reporter_0018"
down_revision = "reporter_0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reporter_gone_accounts",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "what"),
    )
