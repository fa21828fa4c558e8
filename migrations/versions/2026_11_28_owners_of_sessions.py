"""Sessions belong to the token or the person that opened them

Until now a session said whose it is, but not what opened it. One that a login link opened is its person's (or
the owner's) and stays. One that a token may have opened ends: nothing tells which token's end would be its
own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "session_owners"
down_revision = "configuration_keys"
branch_labels = None
depends_on = None

SESSION = sa.table("browser_session", *map(sa.column, ("created_at", "person_id")))
LINK = sa.table("login_token", *map(sa.column, ("used_at", "person_id")))
TOKEN = sa.table("api_token", *map(sa.column, ("created_at", "revoked_at", "person_id")))


def upgrade() -> None:
    op.get_bind().execute(sa.delete(SESSION).where(_by_a_token(), sa.not_(_by_a_link())))
    with op.batch_alter_table("browser_session") as table:
        table.add_column(sa.Column("last_seen_at", sa.Double(), nullable=True))
        table.add_column(sa.Column("browser", sa.Text(), nullable=True))
        table.add_column(sa.Column("token_id", sa.BigInteger(), nullable=True))
        table.create_foreign_key(
            op.f("fk_browser_session_token_id_api_token"),
            "api_token",
            ["token_id"],
            ["id"],
            ondelete="CASCADE",
        )
        table.create_index(op.f("ix_browser_session_token_id"), ["token_id"])


def _by_a_token() -> sa.ColumnElement[bool]:
    """Whether there was a token of the same person, or of the owner, that worked when the session began."""
    worked = sa.or_(TOKEN.c.revoked_at.is_(None), TOKEN.c.revoked_at >= SESSION.c.created_at)
    began = TOKEN.c.created_at <= SESSION.c.created_at
    return sa.exists().where(_same(TOKEN), began, worked).correlate(SESSION)


def _by_a_link() -> sa.ColumnElement[bool]:
    """Whether a link is kept that was used at the moment at which the session began."""
    return sa.exists().where(_same(LINK), LINK.c.used_at == SESSION.c.created_at).correlate(SESSION)


def _same(table: sa.TableClause) -> sa.ColumnElement[bool]:
    return table.c.person_id.is_not_distinct_from(SESSION.c.person_id)


def downgrade() -> None:
    with op.batch_alter_table("browser_session") as table:
        table.drop_index(op.f("ix_browser_session_token_id"))
        table.drop_constraint(op.f("fk_browser_session_token_id_api_token"), type_="foreignkey")
        for column in ("token_id", "browser", "last_seen_at"):
            table.drop_column(column)
