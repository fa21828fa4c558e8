"""Segments without last, least and greatest values, which are kept for the whole series"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "leaner_segments"
down_revision = "share_links"
branch_labels = None
depends_on = None

UNREAD = ("last_value", "min_value", "max_value")


def upgrade() -> None:
    with op.batch_alter_table("series_segment") as segment:
        for name in UNREAD:
            segment.drop_column(name)


def downgrade() -> None:
    with op.batch_alter_table("series_segment") as segment:
        for name in UNREAD:
            segment.add_column(sa.Column(name, sa.Double(), nullable=True))
