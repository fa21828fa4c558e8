"""Groups of runs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_group",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sweep", sa.JSON(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_group")),
    )
    op.create_index(op.f("ix_run_group_created_at_id"), "run_group", ["created_at", "id"])
    with op.batch_alter_table("run") as run:  # SQLite copies the table: it adds no foreign key to one
        run.add_column(sa.Column("group_id", sa.Text(), nullable=True))
        run.create_foreign_key(
            op.f("fk_run_group_id_run_group"), "run_group", ["group_id"], ["id"], ondelete="SET NULL"
        )
        run.create_index(op.f("ix_run_group_id"), ["group_id"])


def downgrade() -> None:
    with op.batch_alter_table("run") as run:
        run.drop_index(op.f("ix_run_group_id"))
        run.drop_constraint(op.f("fk_run_group_id_run_group"), type_="foreignkey")
        run.drop_column("group_id")
    op.drop_table("run_group")
