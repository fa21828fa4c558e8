"""An audit trail"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "audit_trail"
down_revision = "token_scopes"
branch_labels = None
depends_on = None

TEXTS = ("person", "via", "action", "subject_kind", "subject_id", "subject_name", "detail")
INDEXES = (("at",), ("person", "id"), ("action", "id"), ("subject_kind", "subject_id"))


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in TEXTS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    for columns in INDEXES:
        op.create_index(op.f(f"ix_audit_entry_{'_'.join(columns)}"), "audit_entry", list(columns))


def downgrade() -> None:
    op.drop_table("audit_entry")
