"""How long results are kept, reports of batches, and marks on what is being deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name in ("batches", "jobs"):
        op.add_column(name, sa.Column("retention_ms", sa.BigInteger(), nullable=False, server_default="0"))
        op.add_column(name, sa.Column("expire_time", sa.BigInteger(), nullable=True))
    for column in ("report", "report_uri", "warning"):
        op.add_column("batches", sa.Column(column, sa.Text(), nullable=True))
    for name in ("batches", "jobs"):
        op.add_column(name, sa.Column("deletion", sa.Text(), nullable=True))
    _index("ix_batches_expire", "batches", ["expire_time"], "expire_time IS NOT NULL")
    _index("ix_batches_deletion", "batches", ["id"], "deletion IS NOT NULL")
    _index("ix_batches_report", "batches", ["id"], "report = 'DUE'")
    _index("ix_jobs_expire", "jobs", ["expire_time"], "expire_time IS NOT NULL")
    _index("ix_jobs_deletion", "jobs", ["batch_id", "id"], "deletion IS NOT NULL")


def _index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
