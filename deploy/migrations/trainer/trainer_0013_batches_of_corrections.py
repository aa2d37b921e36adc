"""batches of corrections"""

import sqlalchemy as sa
from alembic import op


revision = 'trainer_0013'
down_revision = 'trainer_0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('trainer_corrections', sa.Column('batch_id', sa.String(), nullable=True))
    op.add_column('trainer_corrections', sa.Column('version', sa.Integer(), nullable=True))
