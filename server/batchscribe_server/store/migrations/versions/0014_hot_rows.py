"""Rows that change often are in fewer indexes' way, and listings by state, URI and label have indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

KEPT_HISTORY = sa.text("NOT history_purged")


def upgrade() -> None:
    for table in ("batches", "jobs"):
        # What was purged already counts as kept, until a purge finds nothing there.
        op.add_column(table, sa.Column("history_purged", sa.Boolean(), nullable=False, server_default=sa.text("false")))
        op.drop_index(f"ix_{table}_history", table)
        op.create_index(
            f"ix_{table}_history", table, ["finish_time"], sqlite_where=KEPT_HISTORY, postgresql_where=KEPT_HISTORY
        )
    op.create_index("ix_jobs_state", "jobs", ["tenant", "state", "create_time", "id"])
    op.create_index("ix_jobs_input", "jobs", ["input_uri"], postgresql_using="hash")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE INDEX ix_jobs_labels ON jobs USING gin (CAST(labels AS JSONB) jsonb_path_ops)")
