"""The place of a job's outputs, which no two of a batch have."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("output_key", sa.Text(), nullable=True))
    op.create_index(
        "ix_jobs_output",
        "jobs",
        ["batch_id", "output_key"],
        unique=True,
        sqlite_where=sa.text("output_key IS NOT NULL"),
        postgresql_where=sa.text("output_key IS NOT NULL"),
    )
