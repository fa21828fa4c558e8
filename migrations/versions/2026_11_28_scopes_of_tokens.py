"""Tokens have a scope, and may expire; those of before may do all that their person may"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "token_scopes"
down_revision = "session_owners"
branch_labels = None
depends_on = None

TOKEN = sa.table("api_token", sa.column("scope"))


def upgrade() -> None:
    with op.batch_alter_table("api_token") as table:
        table.add_column(sa.Column("scope", sa.Text(), nullable=True))
        table.add_column(sa.Column("expires_at", sa.Double(), nullable=True))
    op.get_bind().execute(sa.update(TOKEN).values(scope="admin"))
    with op.batch_alter_table("api_token") as table:
        table.alter_column("scope", existing_type=sa.Text(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("api_token") as table:
        table.drop_column("expires_at")
        table.drop_column("scope")
