"""How busy a worker's device is, and how much of its memory is in use"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "use_of_workers"
down_revision = "pair_pools"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("worker") as worker:
        worker.add_column(sa.Column("utilisation", sa.Double(), nullable=True))
        worker.add_column(sa.Column("memory_used", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("worker") as worker:
        worker.drop_column("memory_used")
        worker.drop_column("utilisation")
