"""Keys of configurations: by what differs from the defaults, not by the JSON that happens to be stored.

The key has to be the one that the program computes for a new run, so this revision alone takes it from the
program. A later change of the key repeats it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.domain.experiment.identity import key_of_json, key_of_training

revision = "configuration_keys"
down_revision = "protocols"
branch_labels = None
depends_on = None

KEY = re.compile("[0-9a-f]{12}")
RUN = sa.table("run", *map(sa.column, ("id", "origin", "variation")), sa.column("config", sa.JSON()))
VIEW = sa.table("saved_view", *map(sa.column, ("id", "query")))
DASHBOARD = sa.table("dashboard", sa.column("id"), sa.column("content", sa.JSON()))


def upgrade() -> None:
    connection = op.get_bind()
    renamed: dict[str, str] = {}
    for run_id, origin, before, config in connection.execute(sa.select(RUN)).all():
        key = key_of_json(config) if origin == "external" else key_of_training(config)
        connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(variation=key))
        if KEY.fullmatch(before):
            renamed[before] = key
    _rename_in_filters(connection, renamed)


def _rename_in_filters(connection: sa.Connection, renamed: Mapping[str, str]) -> None:
    """Saved views and dashboards that ask for a configuration still show its runs."""
    for view_id, query in connection.execute(sa.select(VIEW)).all():
        if (now := _renamed(query, renamed)) != query:
            connection.execute(sa.update(VIEW).where(VIEW.c.id == view_id).values(query=now))
    for dashboard_id, content in connection.execute(sa.select(DASHBOARD)).all():
        text = json.dumps(content)
        if (now := _renamed(text, renamed)) != text:
            change: dict[str, Any] = {"content": json.loads(now)}
            connection.execute(sa.update(DASHBOARD).where(DASHBOARD.c.id == dashboard_id).values(change))


def _renamed(text: str, renamed: Mapping[str, str]) -> str:
    known = "|".join(renamed)
    return re.sub(known, lambda found: renamed[found[0]], text) if known else text


def downgrade() -> None:
    """The keys stay: they are compared with one another alone."""
