"""Parameter searches as rows, for what shows, stops and continues them: nothing asks Optuna."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine

from backend.db.session import session_scope
from backend.domain.config.presets import quick
from backend.domain.parameter_search import Estimate, ParameterSearch, experiment_of
from backend.lifecycle import service as runs
from backend.parameter_search.tables import SearchRow, TrialRow, TrialRun
from backend.runs import group_queries as group_rows
from backend.runs import queries as run_rows
from backend.runs.group_tables import RunGroup

FIELDS = {"optimisation.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
RATES = (0.0011, 0.0032, 0.0078)
OUTCOMES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("complete", "", {"result": asdict(Estimate(3, 0.25, 0.18, 0.34)), "report": None}),
    (
        "pruned",
        "pass@1 is 6.2 % [1.7 % to 20.1 %] over 1 seed, wholly below that of trial 1: "
        "25.0 % [18.0 % to 34.0 %] over 3 seeds.",
        {"result": asdict(Estimate(1, 0.0625, 0.017, 0.17)), "report": None},
    ),
    ("running", "", {}),
)


def record_search(engine: Engine, status: str = "running") -> str:
    """A search with a complete trial, a pruned one, and one whose run waits: nothing is due. Its id."""
    search = ParameterSearch(fields=FIELDS, trials=5, seeds=3)
    base = quick().model_dump(mode="json")
    with session_scope(engine) as session:
        group = RunGroup(
            id=runs.new_id(),
            name="quick · parameter search over learning rate",
            sweep=search.sweep.model_dump(mode="json"),
            config=base,
            created_at=time.time(),
        )
        group_rows.add(session, group)
        session.add(SearchRow(group_id=group.id, definition=search.model_dump(mode="json"), status=status))
        session.flush()
        for number, (rate, (state, reason, outcome)) in enumerate(zip(RATES, OUTCOMES, strict=True), 1):
            values = {"optimisation.learning_rate": rate}
            session.add(
                TrialRow(
                    group_id=group.id,
                    number=number,
                    parameters=values,
                    status=state,
                    reason=reason,
                    outcome=outcome,
                    created_at=time.time(),
                    ended_at=None if state == "running" else time.time(),
                )
            )
            session.flush()
            if state == "running":
                config = experiment_of(base, search, values, number, 0)
                run = run_rows.add(session, runs.new_run(config, group_id=group.id))
                session.add(TrialRun(group_id=group.id, number=number, at=0, run_id=run.id))
        return group.id
