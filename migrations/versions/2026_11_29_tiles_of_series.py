"""Tiles of series: curves at several resolutions, so that a chart of a long one reads few points"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "series_tiles"
down_revision = "owners_of_runs"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "series_tile",
        sa.Column("series_id", BIG, nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("buckets", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"], ["series.id"], name=op.f("fk_series_tile_series_id_series"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("series_id", "level", "number", name=op.f("pk_series_tile")),
    )
    if op.get_bind().dialect.name == "postgresql":  # its bytes are deflated already
        op.execute("ALTER TABLE series_tile ALTER COLUMN buckets SET STORAGE EXTERNAL")
    op.create_index(
        op.f("ix_series_segment_series_id_last_step"), "series_segment", ["series_id", "last_step"]
    )
    op.add_column("series", sa.Column("tiled", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("series", sa.Column("tiled_to", sa.BigInteger(), nullable=False, server_default="-1"))
    with op.batch_alter_table("series") as series:
        series.alter_column("tiled", server_default=None)
        series.alter_column("tiled_to", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("series") as series:
        series.drop_column("tiled_to")
        series.drop_column("tiled")
    op.drop_index(op.f("ix_series_segment_series_id_last_step"), "series_segment")
    op.drop_table("series_tile")
