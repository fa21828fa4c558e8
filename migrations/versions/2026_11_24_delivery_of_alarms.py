"""Delivery of alarms to a webhook"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "alarm_delivery"
down_revision = "facts_of_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("alarm") as alarm:
        alarm.add_column(sa.Column("deliver_after", sa.Double(), nullable=True))  # NULL: old ones stay quiet
        alarm.add_column(sa.Column("delivered_at", sa.Double(), nullable=True))
        alarm.add_column(sa.Column("delivery_attempts", sa.BigInteger(), nullable=False, server_default="0"))
        alarm.add_column(sa.Column("delivery_error", sa.Text(), nullable=False, server_default=""))
        alarm.create_index(op.f("ix_alarm_deliver_after"), ["deliver_after"])
    with op.batch_alter_table("alarm") as alarm:
        alarm.alter_column("delivery_attempts", server_default=None)
        alarm.alter_column("delivery_error", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("alarm") as alarm:
        alarm.drop_index(op.f("ix_alarm_deliver_after"))
        for name in ("deliver_after", "delivered_at", "delivery_attempts", "delivery_error"):
            alarm.drop_column(name)
