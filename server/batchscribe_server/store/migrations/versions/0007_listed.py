"""What a file was when its batch's scan listed it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # Nullable and without a default, so that no row is written.
    op.add_column("jobs", sa.Column("listed_fingerprint", sa.Text(), nullable=True))
