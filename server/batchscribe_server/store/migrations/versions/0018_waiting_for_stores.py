"""Jobs and batches that wait for a store, and are not in line meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

IS_QUEUED = sa.text("state = 'QUEUED' AND not_before IS NULL")
IS_PUT_OFF = sa.text("not_before IS NOT NULL")


def upgrade() -> None:
    for table in ("batches", "jobs"):
        op.add_column(table, sa.Column("waiting", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("not_before", sa.BigInteger(), nullable=True))
    # The index of before stays, since replicas of the version before claim by it.
    op.create_index(
        "ix_jobs_claimable",
        "jobs",
        ["tenant", "batch_id", sa.text("priority DESC"), "ordinal", "create_time", "id"],
        sqlite_where=IS_QUEUED,
        postgresql_where=IS_QUEUED,
    )
    for name, column in (("ix_jobs_put_off", "not_before"), ("ix_jobs_put_off_of_batch", "batch_id")):
        op.create_index(name, "jobs", [column], sqlite_where=IS_PUT_OFF, postgresql_where=IS_PUT_OFF)
