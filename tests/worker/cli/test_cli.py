"""`python -m worker` as a user types it: no server, no database."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.kit.exit_codes import ExitCode
from tests.support.processes import PATIENCE, eventually
from tests.support.records.tiny_runs import tiny_raw
from worker.cli import app as cli
from worker.training.checkpoints import checkpoint

pytestmark = pytest.mark.slow

RESULT = re.compile(r"pass@1 +\d+(\.\d+)?/3 \(\d+ %, 95 % interval \d+-\d+ %\)")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh working folder whose local state is nowhere else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETRM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return tmp_path


def etrm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments], capture_output=True, text=True, check=False
    )


def write(path: Path, steps: int) -> str:
    path.write_text(json.dumps(tiny_raw(steps=steps)))
    return str(path)


def error_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str]:
    """Exit status and stderr of a command that fails before it trains, run in this process."""
    monkeypatch.setattr(sys, "argv", ["worker", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), capsys.readouterr().err


def test_a_run_is_trained_scored_and_scored_again_by_its_folder(home: Path) -> None:
    stated = ("kind=bar", "claim=It falls.", "measure=loss:min / loss:max", "comparison=<=", "value=1")
    hypothesis = [word for each in stated for word in ("--set", f"hypothesis.{each}")]
    config = write(home / "run.json", 8)
    done = etrm("train", config, "--set", "evaluation.views=2", *hypothesis, "--out", "here")
    assert done.returncode == 0, done.stderr
    assert "Hypothesis supported: loss:min / loss:max is" in done.stdout
    assert "arc-agi-1/training, 3 tasks, 2 views, EMA weights of step 8" in done.stdout
    assert RESULT.search(done.stdout)
    assert "8/8" in done.stdout
    assert not (home / "home").exists()

    again = etrm(
        "evaluate", "here", "--set", "arc-agi-1/training", "--first", "3", "--views", "4", "--weights", "raw"
    )
    assert again.returncode == 0, again.stderr
    assert "arc-agi-1/training, 3 tasks, 4 views, raw weights of step 8" in again.stdout
    assert RESULT.search(again.stdout)
    assert len(list((home / "here" / "evaluations").glob("*.jsonl"))) == 2


def test_a_run_told_to_end_leaves_a_checkpoint_and_goes_on_from_it(home: Path) -> None:
    command = [sys.executable, "-m", "worker", "train", write(home / "run.json", 1_000_000), "--out", "here"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        eventually(
            lambda: checkpoint.list_checkpoints(home / "here") or process.poll() is not None, "a checkpoint"
        )
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (ExitCode.INTERRUPTED, "")
    stopped = checkpoint.load(checkpoint.find(home / "here")).step
    assert f"Stopped at step {stopped}. Resume: etrm train --resume --out here" in out

    rest = etrm("train", "--resume", "--out", "here", "--set", f"training.steps={stopped + 3}")
    assert rest.returncode == 0, rest.stderr
    assert f"Resuming from the checkpoint of step {stopped}." in rest.stdout
    assert checkpoint.load(checkpoint.find(home / "here")).step == stopped + 3


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["train", "quik"], 1, "Did you mean 'quick'?"),
        (["train", "quick", "--set", "model.widht=3"], 1, "model.widht: unknown field."),
        (["train", "quick", "--set", "training.steps=0"], 1, "training.steps: must be at least 1, not 0."),
        (["train", "quick", "--set", "training.steps"], 1, "Write path=value: training.steps=100."),
        (["train", "missing.json"], 3, "File missing.json not found."),
        (["train", "broken.json"], 1, "Line 1, column 2 is not JSON"),
        (["train", "list.json"], 1, "A config is a JSON object, not a list."),
        (["train", "quick", "--out", "broken.json/x"], 1, "Choose another --out."),
        (
            ["train", "quick", "--set", 'data.training_sets=["mine"]'],
            1,
            "data.training_sets: Task set 'mine' not found",
        ),
        (["train"], 2, "a config file or preset is missing"),
        (["train", "--resume"], 2, "needs --out"),
        (["train", "quick", "--what"], 2, "No such option"),
        (["evaluate", "nowhere"], 3, "Run nowhere not found"),
        (["evaluate", "empty"], 3, "No checkpoint in empty."),
        (["parity"], 2, "Missing argument 'DIR'"),
    ],
)
def test_a_mistake_is_one_message_without_a_traceback(
    arguments: list[str],
    status: int,
    said: str,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (home / "broken.json").write_text("{")
    (home / "list.json").write_text("[]")
    (home / "empty").mkdir()
    ended, err = error_of(capsys, monkeypatch, *arguments)
    assert ended == status
    assert said in err
    assert "Traceback" not in err


def test_a_folder_with_checkpoints_is_not_written_over(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "here" / "checkpoints" / "step-000000001").mkdir(parents=True)
    status, err = error_of(capsys, monkeypatch, "train", "quick", "--out", "here")
    assert (status, "Resume with --resume" in err) == (1, True)


@pytest.mark.parametrize("library", ["torch", "safetensors"])
def test_without_torch_the_way_to_install_it_is_said(library: str, home: Path) -> None:
    without = f"import sys; sys.modules[{library!r}] = None; import worker.cli.app; worker.cli.app.main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "train", "quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert (
        done.stderr
        == f"Error: This command needs {library}. Install the worker: pip install 'etrm-lab[worker]'\n"
    )
