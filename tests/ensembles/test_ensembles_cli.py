"""Ensembles and strata on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

from backend.db.session import make_engine, reading_scope
from backend.lifecycle import service as runs
from tests.support.commands import output, refusal
from tests.support.records.recorded import record_run


def test_votes_are_pooled_in_a_terminal(home: Path) -> None:
    engine = make_engine(f"sqlite:///{home / 'etrm.sqlite3'}")
    ids = [record_run(engine, points=2, tasks=6, seed=seed, name=f"seed {seed}") for seed in range(2)]
    other = record_run(engine, points=2, tasks=5, seed=2, name="fewer")
    with reading_scope(engine) as session:
        evaluation = runs.get(session, ids[0]).results[0].id
    engine.dispose()

    told = output(home, "ensemble", *ids)
    assert re.search(r"^ensemble +2 members +", told, re.MULTILINE)
    assert re.search(r"^best +\d+ +seed \d", told, re.MULTILINE)
    assert re.search(r"^oracle  \d/6 .* of 6 test inputs$", told, re.MULTILINE)
    found = json.loads(output(home, "ensemble", *ids, "--json", "-k", "2"))
    assert (found["k"], found["n"], len(found["test_inputs"])) == (2, 6, 6)
    assert f"(fewer, step {found['members'][0]['step']}) does not fit" in refusal(
        home, "ensemble", *ids, other
    )

    assert f"No two checkpoints of run {other}" in refusal(home, "evaluation", "learning", other)
    shown = output(home, "evaluation", "strata", str(evaluation))
    assert "longest side: of all demonstration grids" in shown
    assert re.search(r"^6 to 10 +\d/\d", shown, re.MULTILINE)
    assert re.search(r"^oracle +\d/6 ", output(home, "evaluation", "show", str(evaluation)), re.MULTILINE)
