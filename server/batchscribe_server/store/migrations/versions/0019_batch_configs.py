"""Large configs, once for each batch rather than in the row of each of its jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "batch_configs",
        sa.Column("batch_id", sa.Text(), sa.ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("config", sa.Text(), nullable=False),
    )
