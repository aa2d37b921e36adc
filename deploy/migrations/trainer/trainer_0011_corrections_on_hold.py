"""corrections on hold"""

import sqlalchemy as sa
from alembic import op


revision = 'trainer_0011'
down_revision = 'trainer_0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('trainer_corrections', sa.Column('hold_until', sa.DateTime(timezone=True), nullable=True))
