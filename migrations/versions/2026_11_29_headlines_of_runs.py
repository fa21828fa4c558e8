"""The score kept beside a run is that of its config's own evaluation, not of the newest one"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "headlines"
down_revision = "trained_on"
branch_labels = None
depends_on = None

RUN = sa.table("run", sa.column("id"), sa.column("config", sa.JSON()), sa.column("scores", sa.JSON()))
SETTINGS = ("set_name", "tasks_digest", "weights", "views", "act_steps", "search", "canvas")
EVALUATION = sa.table(
    "evaluation",
    *map(sa.column, ("id", "run_id", "step", "status", *SETTINGS)),
    sa.column("task_ids", sa.JSON()),
    sa.column("passes", sa.JSON()),
)


def upgrade() -> None:
    connection = op.get_bind()
    for run_id, config, scores in connection.execute(sa.select(RUN)).all():
        if scores:
            finished = sa.select(EVALUATION).where(
                EVALUATION.c.run_id == run_id, EVALUATION.c.status == "finished"
            )
            kept = _headline(config, list(connection.execute(finished)))
            connection.execute(sa.update(RUN).where(RUN.c.id == run_id).values(scores=kept))


def downgrade() -> None:
    """What is kept stays: the next change of an evaluation writes it again."""


def _headline(config: dict[str, Any], finished: list[Any]) -> dict[str, Any]:
    """k -> [solved, n] of the run's headline on the first held-out set that has one, with its protocol: the
    rule of the services at this revision."""
    trained_on = _part(config, "data").get("training_sets", [])
    limits = {each["name"]: each.get("first_tasks") for each in _sets(config)}
    by_set: dict[str, list[Any]] = {}
    for row in finished:
        if row.set_name not in trained_on:
            by_set.setdefault(row.set_name, []).append(row)
    own = {
        name: asked_for
        for name, rows in by_set.items()
        if (asked_for := [row for row in rows if _is_own(config, limits, row)])
    }
    order = [name for name in limits if name in own] + [name for name in limits if name not in own]
    places = {name: place for place, name in enumerate(order)}
    name = min(by_set, key=lambda each: (each not in own, places.get(each, len(order))), default=None)
    if name is None:
        return {}
    found = _newest(own.get(name, by_set[name]))
    scores = {k: score for k, score in found.passes.items() if score[1]}
    protocol = {each: getattr(found, each) for each in SETTINGS} | {"n": len(found.task_ids)}
    return scores | {"protocol": protocol} if scores else {}


def _is_own(config: dict[str, Any], limits: dict[str, Any], row: Any) -> bool:
    """Whether it was measured as the config asks; a field that an old config lacks is not asked about."""
    asked = _part(config, "evaluation")
    if row.set_name not in limits:
        return False
    limit = limits[row.set_name]
    steps = asked.get("act_steps") or _part(_part(config, "model"), "act").get("max_steps", row.act_steps)
    trim = asked.get("trim")
    searches = _part(asked, "search").get("kind", "none") != "none"
    return bool(
        (limit is None or len(row.task_ids) <= limit)
        and row.views == asked.get("views", row.views)
        and row.weights == asked.get("weights", row.weights)
        and row.act_steps == steps
        and row.canvas == ("" if trim is None else f"trimmed +{trim}")
        and bool(row.search) == searches
    )


def _newest(rows: list[Any]) -> Any:
    """The newest by the protocol of most tasks, without a search, used first."""
    usual = max(rows, key=lambda row: (len(row.task_ids), not row.search, -row.id))
    same = [row for row in rows if all(getattr(row, each) == getattr(usual, each) for each in SETTINGS)]
    return max(same, key=lambda row: (row.step, row.id))


def _part(config: Any, name: str) -> dict[str, Any]:
    part = config.get(name) if isinstance(config, dict) else None
    return part if isinstance(part, dict) else {}


def _sets(config: dict[str, Any]) -> list[dict[str, Any]]:
    sets = _part(config, "evaluation").get("sets", [])
    return (
        [each for each in sets if isinstance(each, dict) and "name" in each] if isinstance(sets, list) else []
    )
