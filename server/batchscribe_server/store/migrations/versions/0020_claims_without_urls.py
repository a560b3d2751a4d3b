"""An index of the queue without URLs, for servers that fetch as many of those as they may."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

IS_QUEUED_NOT_URL = sa.text("state = 'QUEUED' AND not_before IS NULL AND lower(substr(input_uri, 1, 4)) <> 'http'")


def upgrade() -> None:
    op.create_index(
        "ix_jobs_claimable_not_url",
        "jobs",
        ["tenant", "batch_id", sa.text("priority DESC"), "ordinal", "create_time", "id"],
        sqlite_where=IS_QUEUED_NOT_URL,
        postgresql_where=IS_QUEUED_NOT_URL,
    )
