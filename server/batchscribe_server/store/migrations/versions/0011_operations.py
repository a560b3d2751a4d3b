"""The replicas that share this database, and the traces that jobs and batches belong to."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # Nullable and without a default, so that no row is written.
    for name in ("batches", "jobs"):
        op.add_column(name, sa.Column("traceparent", sa.Text(), nullable=True))
    op.create_table(
        "replicas",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("seen_time", sa.BigInteger(), nullable=False),
        sa.Column("drain_requested", sa.Boolean(), nullable=False),
    )
