"""What was found in transcripts, and what a run is busy with after it has heard all."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Nullable and without a default, so that no row is written.
    op.add_column("jobs", sa.Column("stage", sa.Text(), nullable=True))
    op.create_table(
        "analyses",
        sa.Column("job_id", sa.Text(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("analysis", sa.Text(), nullable=False),
    )
