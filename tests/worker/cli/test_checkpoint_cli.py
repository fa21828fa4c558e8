"""`etrm checkpoint` as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.records.tiny_runs import tiny, tiny_raw
from worker.cli import app as cli
from worker.models.build import build_reasoner
from worker.models.importing import export_weights


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETRM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")


def etrm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str]:
    """Exit status and all output of a command."""
    monkeypatch.setattr(sys, "argv", ["worker", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def test_a_published_checkpoint_becomes_a_run_is_scored_and_goes_back_to_the_bit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    export_weights(build_reasoner(tiny().model_copy(update={"seed": 5}), 1), tmp_path / "step_7", "ema")
    (tmp_path / "run.json").write_text(json.dumps(tiny_raw()))

    status, said = etrm(capsys, monkeypatch, "checkpoint", "inspect", "step_7")
    assert status == 0
    assert "average or raw unknown: 24 tensors" in said
    assert "inner.lm_head.weight  12 x 16  float32" in said

    arguments = ("checkpoint", "import", "step_7", "--config", "run.json", "--out", "here")
    status, said = etrm(capsys, monkeypatch, *arguments, "--weights", "ema")
    assert status == 0, said
    words = " ".join(said.split())  # the terminal breaks lines where the path makes them long
    assert "24 loaded, 0 skipped, 0 missing, 0 mismatched" in words
    assert etrm(capsys, monkeypatch, *arguments) == (1, "Error: here is not empty. Choose another --out.\n")

    status, said = etrm(capsys, monkeypatch, "evaluate", "here", "--views", "1")
    assert status == 0, said
    assert "EMA weights of step 0" in said

    status, said = etrm(capsys, monkeypatch, "checkpoint", "export", "here", "back.safetensors")
    assert (status, said) == (0, "back.safetensors: 24 tensors, ema weights of step 0.\n")
    back, theirs = load_file("back.safetensors"), torch.load("step_7", weights_only=True)
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[name], theirs[name]) for name in back)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["inspect", "nowhere"], 3, "FILE: nowhere does not exist."),
        (["export", "nowhere", "file"], 3, "Run nowhere not found"),
        (["import", "nowhere", "--config", "quick", "--out", "x"], 3, "nowhere does not exist"),
        (["import", "x", "--config", "quick", "--out", "x", "--part", "head"], 1, "initialise_from.part"),
        (["export", "x", "file", "--weights", "best"], 2, "'best' is not one of 'ema', 'raw'"),
        (["import", "x", "--config", "quick"], 2, "Missing option '--out'"),
    ],
)
def test_what_is_wrong_is_named(
    arguments: list[str],
    status: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, said = etrm(capsys, monkeypatch, "checkpoint", *arguments)
    assert code == status
    assert words in said
    assert "Traceback" not in said
