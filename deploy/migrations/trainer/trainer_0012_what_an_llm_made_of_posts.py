"""what an LLM made of posts"""

import sqlalchemy as sa
from alembic import op


revision = 'trainer_0012'
down_revision = 'trainer_0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('trainer_posts', sa.Column('llm_flagged', sa.Boolean(), nullable=True))
    op.create_index('ix_trainer_posts_llm_flagged', 'trainer_posts', ['llm_flagged', 'scored_at'], unique=False)
