"""Which model a job asks for, in a column: servers leave those that they lack to others."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    for table in ("batches", "jobs"):
        op.add_column(table, sa.Column("wanted_model", sa.Text(), nullable=False, server_default=""))
