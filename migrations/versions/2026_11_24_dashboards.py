"""Dashboards and share links"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "dashboards"
down_revision = "people"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "dashboard",
        sa.Column("id", ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dashboard")),
        sa.UniqueConstraint("slug", name=op.f("uq_dashboard_slug")),
    )
    op.create_table(
        "dashboard_share",
        sa.Column("id", ID, nullable=False),
        sa.Column("dashboard_id", ID, nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dashboard_id"],
            ["dashboard.id"],
            name=op.f("fk_dashboard_share_dashboard_id_dashboard"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dashboard_share")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_dashboard_share_token_hash")),
    )
    op.create_index(op.f("ix_dashboard_share_dashboard_id"), "dashboard_share", ["dashboard_id"])


def downgrade() -> None:
    op.drop_table("dashboard_share")
    op.drop_table("dashboard")
