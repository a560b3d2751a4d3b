"""What outputs are reached with once the secrets that came with a batch or a job are deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # Without it, outputs count as written with the secrets.
    op.add_column("access", sa.Column("remaining", sa.LargeBinary(), nullable=True))
