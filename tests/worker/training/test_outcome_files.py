"""Files of evaluations on disk: found again by a later version."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from backend.domain.measurement import LATER
from backend.domain.records import EvaluationKey
from worker.training.scoring import OutcomeFile

KEY = EvaluationKey("arc-agi-1/evaluation", 100, "ema", 8, 4, ("a", "b"), search="{}", canvas="trimmed +2")


def test_settings_that_came_later_leave_the_names_of_older_files_as_they_were(tmp_path: Path) -> None:
    known = TypeAdapter(EvaluationKey).dump_json(KEY, exclude=set(LATER))
    name = f"step-000000100-{hashlib.sha256(known).hexdigest()[:12]}.jsonl"
    assert OutcomeFile(tmp_path, KEY).path == tmp_path / "evaluations" / name


@pytest.mark.parametrize("change", [{"distinct_views": True}, {"adaptation": '{"kind":"all"}'}, {"views": 9}])
def test_another_setting_is_another_file(tmp_path: Path, change: dict[str, object]) -> None:
    assert OutcomeFile(tmp_path, replace(KEY, **change)).path != OutcomeFile(tmp_path, KEY).path  # type: ignore[arg-type]
