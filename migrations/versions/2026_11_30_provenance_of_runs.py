"""Which code, packages and machine each start of a run was computed with"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "provenance"
down_revision = "indexes_of_tables"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provenance",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("hidden", sa.BigInteger(), nullable=False),
        sa.Column("is_cut", sa.Boolean(), nullable=False),
        sa.Column("diff", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_provenance_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "attempt", name=op.f("pk_provenance")),
    )


def downgrade() -> None:
    op.drop_table("provenance")
