"""People with roles"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "people"
down_revision = "queue_order"
branch_labels = None
depends_on = None

TABLES = ("api_token", "login_token", "browser_session")


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("name", name=op.f("uq_person_name")),
    )
    for name in TABLES:
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("person_id", sa.BigInteger(), nullable=True))
            table.create_foreign_key(
                op.f(f"fk_{name}_person_id_person"), "person", ["person_id"], ["id"], ondelete="CASCADE"
            )
            table.create_index(op.f(f"ix_{name}_person_id"), ["person_id"])


def downgrade() -> None:
    for name in TABLES:
        with op.batch_alter_table(name) as table:
            table.drop_index(op.f(f"ix_{name}_person_id"))
            table.drop_constraint(op.f(f"fk_{name}_person_id_person"), type_="foreignkey")
            table.drop_column("person_id")
    op.drop_table("person")
