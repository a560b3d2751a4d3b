"""What batches and jobs reach object stores with, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "access",
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("holds_secrets", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("resource"),
    )
