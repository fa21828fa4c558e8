"""An order of the queue that people can change"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "queue_order"
down_revision = "alarm_delivery"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("priority", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("run", sa.Column("queue_position", sa.Double(), nullable=False, server_default="0"))
    run = sa.table("run", sa.column("queue_position", sa.Double()), sa.column("created_at", sa.Double()))
    op.execute(sa.update(run).values(queue_position=run.c.created_at))
    with op.batch_alter_table("run") as table:
        table.alter_column("priority", server_default=None)
        table.alter_column("queue_position", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("run") as table:
        table.drop_column("queue_position")
        table.drop_column("priority")
