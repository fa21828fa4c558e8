"""Tasks with many pairs, which training draws from"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "pair_pools"
down_revision = "kept_checkpoints"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("task", sa.Column("pairs", sa.BigInteger(), nullable=True))
    op.add_column("task", sa.Column("pool", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("task") as table:
        table.drop_column("pool")
        table.drop_column("pairs")
