"""Who made a share link, and when it was last opened"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "share_links"
down_revision = "verdicts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("dashboard_share") as table:
        table.add_column(sa.Column("made_by", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("last_opened_at", sa.Double(), nullable=True))
    with op.batch_alter_table("dashboard_share") as table:
        table.alter_column("made_by", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("dashboard_share") as table:
        table.drop_column("last_opened_at")
        table.drop_column("made_by")
