"""What scripts give that is odd but real: it is kept where it can be, and ends no training."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from dataclasses import InitVar, dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import etrm_lab
from etrm_lab import output, start
from etrm_lab.values import MAX_LINE, config_of
from tests.support.scripts import logged, run_ids, run_script


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_told", set())


@pytest.fixture
def run(tmp_path: Path) -> Iterator[etrm_lab.Run]:
    """A run in its journal alone."""
    run = start.init(name="mine", dir=tmp_path, mode="offline", config={"lr": 0.1})
    yield run
    run.finish()


def points(tmp_path: Path) -> list[tuple[int, dict[str, float]]]:
    return [(record["step"], record["values"]) for record in logged(tmp_path, "points")]


def test_after_commit_false_the_next_call_logs_at_the_same_step(run: etrm_lab.Run, tmp_path: Path) -> None:
    run.log({"a": 1.0}, step=10, commit=False)
    run.log({"b": 2.0})
    run.log({"c": 3.0}, commit=False)
    run.log({"d": 4.0}, step=20)
    run.log({"e": 5.0})
    assert [step for step, _ in points(tmp_path)] == [10, 10, 11, 20, 21]


def test_a_value_of_the_summary_is_no_step(run: etrm_lab.Run, tmp_path: Path) -> None:
    run.summary["parameters"] = 7.0
    run.log({"a": 1.0}, commit=False)
    run.summary["best"] = 1.0
    run.log({"b": 2.0})
    run.log({"a": 3.0})
    assert [step for step, _ in points(tmp_path)] == [0, 0, 0, 0, 1]


def test_steps_that_are_none_are_told_once(
    run: etrm_lab.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for batch in range(5):
        run.log({"loss": 1.0}, step=0.1 + batch / 5)  # type: ignore[arg-type] # a share of an epoch
    assert [step for step, _ in points(tmp_path)] == [*range(5)]
    assert capsys.readouterr().err.count("step must be a whole number") == 1


def test_a_long_text_is_kept_in_several_lines(run: etrm_lab.Run, tmp_path: Path) -> None:
    rows = [f"row {number} {'x' * 90}" for number in range(1000)]
    run.log_text("\n".join(rows))
    run.log_text("y" * (2 * MAX_LINE + 5))
    lines = logged(tmp_path, "text")
    texts = [line["text"] for line in lines]
    assert max(map(len, texts)) <= MAX_LINE
    assert "\n".join(text for text in texts if text.startswith("row")).split("\n") == rows
    assert [len(text) for text in texts if text.startswith("y")] == [MAX_LINE, MAX_LINE, 5]
    assert len({line["wall_time"] for line in lines}) == len(lines)


def test_code_of_many_files_is_noted_whole(run: etrm_lab.Run, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    for number in range(300):
        (folder / f"module_{number:03}.py").write_text("")
    run.log_code(folder)
    run.finish()
    text = "\n".join(record["text"] for record in logged(tmp_path, "text"))
    assert [f"module_{number:03}.py" in text for number in range(300)] == [True] * 300


def test_pictures_in_a_list_are_kept_as_one_is(run: etrm_lab.Run, tmp_path: Path) -> None:
    pictures = [etrm_lab.Image([[1, 2]], caption="first"), etrm_lab.Image([[3]], caption="second")]
    run.log({"answers": pictures}, step=4)
    texts = [record["text"] for record in logged(tmp_path, "text")]
    assert texts == ["answers first at step 4:\n12", "answers second at step 4:\n3"]


def test_a_table_takes_columns(run: etrm_lab.Run, tmp_path: Path) -> None:
    table = etrm_lab.Table(columns=["task"], data=[["a"], ["b"]])
    table.add_column("solved", [True, False])
    table.add_column("too short", [1])
    run.log({"tasks": table}, step=0)
    (record,) = logged(tmp_path, "text")
    assert record["text"] == "tasks at step 0:\ntask  solved\na     True\nb     False"


class Plain:
    """A config as many scripts have it: a class of their own."""

    def __init__(self) -> None:
        self.lr, self.seed, self._cache = 0.1, torch.tensor(3), object()


@dataclass
class WithArgument:
    width: int
    factor: InitVar[int]

    def __post_init__(self, factor: int) -> None:
        self.width *= factor


def test_configs_are_objects_of_many_kinds() -> None:
    assert config_of(Plain()) == {"lr": 0.1, "seed": 3}
    assert config_of(SimpleNamespace(a=1, b=SimpleNamespace(c=2))) == {"a": 1, "b": {"c": 2}}
    assert config_of(WithArgument(2, 3)) == {"width": 6}
    assert config_of({"two\nlines": 1}) == {"two lines": 1}
    for config in ("config.yaml", [1], Plain):
        with pytest.raises(TypeError, match="config must be a dict"):
            config_of(config)


def test_whole_numbers_of_a_config_stay_whole() -> None:
    large = 14226543210987654321  # a seed as torch.initial_seed() gives it
    kept = config_of({"width": np.int64(64), "seed": 2**60 + 1, "torch": large, "numpy": np.uint64(large)})
    assert kept == {"width": 64, "seed": 2**60 + 1, "torch": str(large), "numpy": str(large)}
    assert type(kept["width"]) is int


def test_a_config_that_grows_too_large_ends_no_training(
    run: etrm_lab.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.config.update({f"a{at}": "x" * 15_000 for at in range(20)})
    run.config.depth = 3
    run.config["long"] = ["x" * 15_000] * 20
    assert logged(tmp_path, "config")[-1]["config"] == {"lr": 0.1, "depth": 3}
    assert "leaves it as it was: config has" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_config_where_none_is_given(tmp_path: Path) -> None:
    first = start.init(id="mine", dir=tmp_path, mode="offline", config={"lr": 0.1})
    first.config.width = 64
    first.finish()
    again = start.init(id="mine", dir=tmp_path, mode="offline")
    again.config.depth = 3
    again.finish()
    assert logged(tmp_path, "config")[-1]["config"] == {"lr": 0.1, "width": 64, "depth": 3}


def test_resume_allow_without_an_id_continues_no_other_run(tmp_path: Path) -> None:
    """As in W&B: "allow" is about an id. The runs of several seeds may have one name."""
    first = start.init(name="mine", dir=tmp_path, mode="offline", resume="allow")
    first.finish()
    second = start.init(name="mine", dir=tmp_path, mode="offline", resume="allow")
    second.finish()
    assert second.id != first.id
    third = start.init(name="mine", dir=tmp_path, mode="offline", resume="auto")
    third.finish()
    assert third.id in (first.id, second.id)
    by_id = start.init(id=first.id, dir=tmp_path, mode="offline", resume="allow")
    by_id.finish()
    assert by_id.id == first.id


def test_defaults_may_be_given_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = start.init(project=None, name=None, config=None, dir=None, id=None, mode="disabled", tags=None)
    assert not run.is_logging
    monkeypatch.setenv("RANK", "1")
    assert not start.init(mode=None, dir=None).is_logging


def test_config_and_run_may_be_saved_and_copied_with_a_model(run: etrm_lab.Run, tmp_path: Path) -> None:
    run.log({"loss": 1.0})
    file = io.BytesIO()
    torch.save({"config": run.config, "summary": run.summary}, file)
    file.seek(0)
    assert torch.load(file) == {"config": {"lr": 0.1}, "summary": {"loss": 1.0}}
    model = SimpleNamespace(run=run, config=run.config)
    averaged = copy.deepcopy(model)
    averaged.config.lr = 0.5
    copy.copy(run.config).lr = 0.7
    assert averaged.run is run
    assert (run.config.lr, averaged.config.lr) == (0.1, 0.5)
    assert logged(tmp_path, "config") == []


def test_predictions_with_odd_words_reach_the_journal(run: etrm_lab.Run, tmp_path: Path) -> None:
    """A list as the set would have ended the thread that sends."""
    run.log_predictions("a", 0, [[1]], set=["mine"], weights=None)  # type: ignore[arg-type]
    run.log_histogram(3, [1.0])  # type: ignore[arg-type]
    (record,) = logged(tmp_path, "prediction")
    assert (record["set"], record["weights"]) == ("['mine']", "None")
    assert [record["name"] for record in logged(tmp_path, "histogram")] == ["3"]


def test_what_comes_after_the_end_is_told(run: etrm_lab.Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.finish()
    for _ in range(2):
        run.log({"loss": 1.0})
    assert capsys.readouterr().err.count("what is logged after finish() is not kept") == 1


@pytest.mark.parametrize(
    ("end", "status", "cause"),
    [
        ("sys.excepthook = print; raise ValueError('odd')", "failed", "ValueError: odd"),
        ("exit(3)", "failed", "exit code 3"),
        ("quit('no data')", "failed", "no data"),
        ("exit()", "finished", ""),
        ("sys.exit(2.5)", "failed", "2.5"),
    ],
)
def test_every_exit_says_how_a_script_ends(tmp_path: Path, end: str, status: str, cause: str) -> None:
    done = run_script(tmp_path, f"import sys, etrm_lab; etrm_lab.init(); {end}")
    assert (done.returncode == 0) == (status == "finished")
    (run_id,) = run_ids(tmp_path)
    last = json.loads((tmp_path / f"etrm-runs/{run_id}.jsonl").read_text().splitlines()[-1])
    assert (last["kind"], last["status"], last["cause"]) == ("finish", status, cause)
