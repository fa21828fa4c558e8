"""What `etrm` does without a lab, with --json: one document on standard output, progress elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.kit.exit_codes import ExitCode
from tests.support.lab import environment
from tests.support.records.tiny_runs import tiny_raw

pytestmark = pytest.mark.slow


def test_training_scoring_and_weights_answer_json(tmp_path: Path) -> None:
    def answer(*words: str, code: int = ExitCode.DONE) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "backend.cli", *words, "--json"],
            cwd=tmp_path,
            env=environment(tmp_path / "home", PYTHONPATH=str(Path(__file__).parents[3])),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "\x1b" not in done.stderr
        return json.loads(done.stdout)

    (tmp_path / "run.json").write_text(json.dumps(tiny_raw(steps=8)))
    trained = answer("train", "run.json", "--out", "here")
    assert (trained["folder"], trained["step"], trained["stopped"]) == ("here", 8, False)
    (scored,) = trained["evaluations"]
    assert (scored["set"], scored["n"], scored["views"]) == ("arc-agi-1/training", 3, 3)
    first = scored["passes"][0]
    assert first.keys() == {"k", "solved", "n", "share", "low", "high"}
    assert (first["k"], first["n"]) == (1, 3)

    (again,) = answer("evaluate", "here", "--here", "--views", "2", "--weights", "raw")["evaluations"]
    assert (again["step"], again["views"], again["weights"]) == (8, 2, "raw")

    tasks = [f"arc-agi-1/training/{task}" for task in ("25ff71a9", "0d3d703e")]
    on_the_way = answer("checkpoint", "between", "here", *tasks, "--points", "3")
    assert [each["share"] for each in on_the_way["points"]] == [0, 0.5, 1]
    assert (on_the_way["step"], on_the_way["second"]) == (8, tasks[1])

    exported = answer("checkpoint", "export", "here", "out.safetensors")
    assert (exported["path"], exported["step"], exported["weights"]) == ("out.safetensors", 8, "ema")
    inspected = answer("checkpoint", "inspect", "out.safetensors")
    (state,) = inspected["states"].values()
    assert len(state) == exported["tensors"]
    assert {"name", "shape", "type", "unusable", "finite"} == state[0].keys()

    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "broken.json").write_text("[1]")
    parity = answer("parity", "fixtures", code=ExitCode.FAILED)
    assert (parity["certified"], parity["fixtures"][0]["name"]) == (False, "broken")
