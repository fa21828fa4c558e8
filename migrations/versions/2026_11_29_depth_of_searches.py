"""Stored configs say at which ACT step their search asks, and their keys follow

A config without the field used to mean the first step and now means the last. Its key has to be the one that
the program computes for a new run, so this revision takes it from the program, as `configuration_keys` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.domain.experiment.identity import key_of_training
from backend.domain.experiment.versions import upgraded

revision = "search_depth"
down_revision = "adaptations"
branch_labels = None
depends_on = None

KEY = re.compile("[0-9a-f]{12}")
RUN = sa.table("run", *map(sa.column, ("id", "origin", "variation")), sa.column("config", sa.JSON()))
VIEW = sa.table("saved_view", *map(sa.column, ("id", "query")))
DASHBOARD = sa.table("dashboard", sa.column("id"), sa.column("content", sa.JSON()))


def upgrade() -> None:
    connection = op.get_bind()
    renamed: dict[str, str] = {}
    trained = sa.select(RUN).where(RUN.c.origin != "external")
    for run_id, _, before, config in connection.execute(trained).all():
        now = upgraded(config) if isinstance(config, Mapping) else config
        key = key_of_training(now)
        connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(config=now, variation=key))
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
    """The keys stay: they are compared with one another alone. The version before knew no such field."""
    connection = op.get_bind()
    for run_id, origin, _, config in connection.execute(sa.select(RUN)).all():
        if origin != "external" and isinstance(config, Mapping) and config.get("schema_version") == 2:
            before = _without_depth({**config, "schema_version": 1})
            connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(config=before))


def _without_depth(config: dict[str, Any]) -> dict[str, Any]:
    evaluation = config.get("evaluation")
    search = evaluation.get("search") if isinstance(evaluation, Mapping) else None
    if not isinstance(evaluation, Mapping) or not isinstance(search, Mapping):
        return config
    kept = {name: value for name, value in search.items() if name != "act_steps"}
    return {**config, "evaluation": {**evaluation, "search": kept}}
