"""How far a run's row has what its journals hold: so that each batch is taken once"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "recorded_batches"
down_revision = "script_heartbeats"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("run") as run:
        run.add_column(sa.Column("recorded", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("run") as run:
        run.alter_column("recorded", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("run") as run:
        run.drop_column("recorded")
