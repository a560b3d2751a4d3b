"""The channel of each segment, where channels are heard apart."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("segments", sa.Column("channel", sa.Integer(), nullable=True))
