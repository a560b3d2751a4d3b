"""What the fair order of claims goes by: when tenants and batches had their last turn, and indexes of who has work."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("served_time", sa.BigInteger(), nullable=True),
        sa.Column("single_files_served_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("batches", sa.Column("served_time", sa.BigInteger(), nullable=True))
    op.execute("UPDATE batches SET served_time = create_time")
    op.create_index(
        "ix_batches_queue",
        "batches",
        ["tenant", sa.text("priority DESC"), "running", "served_time", "id"],
        sqlite_where=sa.text("queued > 0"),
        postgresql_where=sa.text("queued > 0"),
    )
    op.drop_index("ix_jobs_queue", "jobs")
    op.create_index(
        "ix_jobs_queue",
        "jobs",
        ["tenant", "batch_id", sa.text("priority DESC"), "ordinal", "create_time", "id"],
        sqlite_where=sa.text("state = 'QUEUED'"),
        postgresql_where=sa.text("state = 'QUEUED'"),
    )
    op.create_index(
        "ix_jobs_running",
        "jobs",
        ["state", "id", "tenant", "batch_id"],
        sqlite_where=sa.text("state = 'RUNNING'"),
        postgresql_where=sa.text("state = 'RUNNING'"),
    )
