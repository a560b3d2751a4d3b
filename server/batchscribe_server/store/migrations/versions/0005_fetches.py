"""Which jobs' inputs came as `fetch`."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("is_fetch", sa.Boolean(), nullable=False, server_default=sa.text("false")))
