"""What the client takes: it is clear at the start, and forgiving in the loop."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import etrm_lab
from etrm_lab import output, start, values
from etrm_lab.delivery import metrics_body, parts_of_points
from tests.support.scripts import logged


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_told", set())


@pytest.fixture
def run(tmp_path: Path) -> Iterator[etrm_lab.Run]:
    """A run in its journal alone."""
    run = start.init(name="mine", dir=tmp_path, mode="offline")
    yield run
    run.finish()


class Scalar:
    """As a tensor of one element, or a number of NumPy."""

    def item(self) -> float:
        return 0.5


class Many:
    """As a tensor of several."""

    def item(self) -> float:
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")


def test_numbers_of_every_kind_are_logged_and_others_are_told_once(
    run: etrm_lab.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        run.log({"a": Scalar(), "b": True, "c": 3, "d": math.nan, "e": Many(), "f": None, "g": 10**400})
    first, second = logged(tmp_path, "points")
    assert first["values"].keys() == second["values"].keys() == {"a", "b", "c", "d"}
    assert (first["values"]["a"], first["values"]["b"], first["values"]["c"]) == (0.5, 1, 3)
    assert (first["step"], second["step"]) == (0, 1)
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "etrm_lab: e is not logged: Many is neither a number nor a text.",
        "etrm_lab: g is not logged: int is neither a number nor a text.",
    ]


def test_names_that_the_lab_does_not_take_are_made_ones_that_it_takes(
    run: etrm_lab.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.log({" a,b\n": 1.0, "x" * 300: 2.0, "ok/name @1": 3.0, 7: 4.0})
    (record,) = logged(tmp_path, "points")
    assert list(record["values"]) == ["a_b_", "x" * 200, "ok/name @1", "7"]
    assert capsys.readouterr().err.count("is logged as") == 2


class Huge:
    """As a tensor of one number that is no step."""

    def item(self) -> float:
        return 1e30


@pytest.mark.parametrize(
    ("step", "taken"),
    [
        (3, 3),
        (4.0, 4),
        (Scalar(), 1),
        (-1, 1),
        ("5", 1),
        (2.5, 1),
        (math.inf, 1),
        (math.nan, 1),
        (1e300, 1),
        (Huge(), 1),
    ],
)
def test_a_step_is_a_whole_number_else_the_next_one(
    run: etrm_lab.Run, tmp_path: Path, step: Any, taken: int
) -> None:
    run.log({"loss": 1.0}, step=0)
    run.log({"loss": 1.0}, step=step)
    assert [record["step"] for record in logged(tmp_path, "points")] == [0, taken]


def test_what_is_no_dict_is_refused(run: etrm_lab.Run) -> None:
    with pytest.raises(TypeError, match="log takes a dict of names and numbers, not float"):
        run.log(0.5)  # type: ignore[arg-type]


@dataclass
class Settings:
    lr: float
    path: Path


def test_configs_of_every_kind_become_json(capsys: pytest.CaptureFixture[str]) -> None:
    expected = {"lr": 0.1, "path": "/data"}
    assert values.config_of(Settings(0.1, Path("/data"))) == expected
    assert values.config_of(Namespace(lr=0.1, path=Path("/data"))) == expected
    assert capsys.readouterr().err == ""
    kept = values.config_of({"nan": math.inf, "set": (1, Scalar()), "odd": object, 3: None})
    assert kept == {"nan": "Infinity", "set": [1, 0.5], "odd": "<class 'object'>", "3": None}
    assert "config.odd is no JSON value (type)" in capsys.readouterr().err


def test_a_config_that_cannot_be_kept_is_refused_at_the_start(tmp_path: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"a": deep}
    for config, error, text in (
        (deep, ValueError, "nested too deeply"),
        ({"a": "x" * 15_000, **{f"b{at}": "x" * 15_000 for at in range(20)}}, ValueError, "bytes as JSON"),
        ([1, 2], TypeError, "config must be a dict"),
    ):
        with pytest.raises(error, match=text):
            start.init(config=config, dir=tmp_path, mode="offline")
    with pytest.raises(ValueError, match="mode must be"):
        start.init(mode="on")
    with pytest.raises(ValueError, match="url must be the address of a lab"):
        start.init(url="lab.example:8000", dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("grid", "digits"),
    [
        ([[0, 1], [2, 3]], "01/23"),
        (((5,),), "5"),
        ("01/23", "01/23"),
        ([], ""),
        ([[10]], None),
        ([[1, 2], [3]], None),
        ([[0] * 31], None),
        ([[math.inf, 1.0]], None),
        ([[math.nan, 1.0]], None),
        ([[0.3, 0.9]], None),
        ([["1", "2"]], "12"),
        (torch.ones(2, 2), "11/11"),
        (torch.zeros(31, 2), None),
        (torch.ones(2, 2).to_sparse(), None),
        ("0x", None),
        (object(), None),
    ],
)
def test_grids_come_as_lists_arrays_or_digits(grid: Any, digits: str | None) -> None:
    assert values.digits_of(grid) == digits


def test_values_without_a_place_reach_no_training(
    run: etrm_lab.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Infinite activations, and what is no list of grids."""
    run.log({"loss": 1.0, "rows": [[math.inf, 1.0]]})
    run.log_predictions("007bbfb7", 0, 5)
    run.log_predictions("007bbfb7", 1, torch.tensor(5))
    assert [record["values"] for record in logged(tmp_path, "points")] == [{"loss": 1.0}]
    for record in logged(tmp_path, "prediction"):
        assert [one["grid"] for one in record["candidates"]] == [""]
    assert "rows is not logged" in capsys.readouterr().err


def test_an_id_of_another_form_always_becomes_the_same_id() -> None:
    assert start.as_id("k3v9x0q2ab") == "k3v9x0q2ab"
    made = {start.as_id(text) for text in ("My Run", "my run", "x", "k3v9x0q2abc")}
    assert len(made) == 4
    assert all(start.as_id(each) == each for each in made)
    assert start.as_id("My Run") == start.as_id("My Run")


def test_a_run_of_the_same_name_is_continued_where_it_ended(tmp_path: Path) -> None:
    first = start.init(name="a", dir=tmp_path, mode="offline", resume=True)
    first.log({"loss": 1.0}, step=41)
    first.finish()
    start.init(name="b", dir=tmp_path, mode="offline").finish()
    again = start.init(name="a", dir=tmp_path, mode="offline", resume=True)
    assert (again.id, again.step) == (first.id, 41)
    again.finish()


def test_points_that_share_few_names_are_sent_in_requests_of_bounded_size() -> None:
    records = [{"step": at, "wall_time": 0.0, "values": {f"m{at}": 1.0}} for at in range(3000)]
    parts = parts_of_points(records)
    assert [record for part in parts for record in part] == records
    for part in parts:
        body = metrics_body(part)
        assert len(body["step"]) * len(body["values"]) <= 50_000


def test_before_a_run_is_started_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etrm_lab, "run", None)
    with pytest.raises(RuntimeError, match="init"):
        etrm_lab.log({"loss": 1})
    etrm_lab.finish()
    with pytest.raises(AttributeError, match=r"etrm_lab has no 'sweep'"):
        _ = etrm_lab.sweep
