"""The positive control: variants differ in one thing each, and it runs, resumes and reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from backend.domain.config.problems import differences
from backend.domain.experiment import EvaluationConfig
from backend.kit.errors import Conflict
from tests.worker.control.results import measured, variant
from worker.experiments.control.command import run
from worker.experiments.control.document import Document, Section
from worker.experiments.control.jobs import Training
from worker.experiments.control.methods import EMBEDDINGS, METHODS, methods_of
from worker.experiments.control.processes import ControlFailed, run_all
from worker.experiments.control.report import Cost, Report
from worker.experiments.control.thinking import thinking_sections
from worker.experiments.control.variants import FULL, QUICK, Scale, trainings, variants
from worker.training.stop import StopSignal

TINY = Scale(steps=5, batch=8, test_tasks=3, evaluate_every=1, budgets=(12, 21), letters="ae", seeds=2)


def test_each_variant_differs_from_the_first_in_one_thing() -> None:
    first, *others = variants(FULL)
    by_letter = {each.letter: each.config for each in (first, *others)}
    changed = {each.letter: set(differences(first.config, each.config)) - {"name"} for each in others}
    assert changed["b"] == {"optimisation.freeze", "optimisation.freeze_steps"}
    assert changed["c"] == {"model.reencode"}
    assert all(path.startswith(("model.encoder", "objective", "training")) for path in changed["e"])
    assert all(path.startswith(("model", "data.first_tasks", "training")) for path in changed["f"])
    assert all(path.startswith("model.encoder") for path in changed["g"])
    assert set(differences(by_letter["f"], by_letter["d"])) == {"name", "data.evaluation_demonstrations"}
    assert len(variants(QUICK)) == len(variants(FULL)) == 7


def test_every_variant_has_three_seeds_and_a_folder_each() -> None:
    folders = [each.folder for each in trainings(FULL)]
    assert len(folders) == len(set(folders)) == 21
    assert folders[:2] == ["a-seed0", "b-seed0"]  # the first seed of all comes first


def test_every_method_takes_every_budget() -> None:
    for method in (*METHODS, EMBEDDINGS):
        for decodes in FULL.budgets:
            EvaluationConfig.model_validate(method.options(decodes))
    assert not methods_of("a")


def test_a_method_is_not_measured_beyond_what_changes_nothing() -> None:
    (embeddings,) = methods_of("f")
    assert embeddings.budgets((24, 300, 301)) == [24, 300]
    assert METHODS[0].budgets((24, 900)) == [24, 900]


@pytest.mark.slow
def test_the_command_trains_searches_reports_and_keeps_what_was_finished(tmp_path: Path) -> None:
    told: list[str] = []
    page = run(TINY, tmp_path, 2, told.append)
    assert page
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    markdown = (tmp_path / "positive-control.md").read_text()
    assert "| does not hold | a: solves at least 75% of held-out rules | 0 % [0, 56], seeds 0, 0 of 3 |" in (
        markdown
    )
    for label in ("gradient search", "random search", "no search, more ACT steps", "test-time training"):
        assert markdown.count(f"| e | {label} |") == 2
    config = json.loads((tmp_path / "a-seed1" / "config.json").read_text())
    assert config["seed"] == 1

    again: list[str] = []
    (tmp_path / "positive-control.md").unlink()
    assert run(TINY, tmp_path, 2, again.append)
    assert again == []  # nothing was trained or scored twice
    rewritten = (tmp_path / "positive-control.md").read_text()
    assert rewritten.splitlines()[9:] == markdown.splitlines()[9:]

    with pytest.raises(Conflict, match=r"training\.steps"):
        run(replace(TINY, steps=6), tmp_path, 2, again.append)


@pytest.mark.slow
def test_a_training_that_fails_says_what_its_console_said(tmp_path: Path) -> None:
    (first, *_) = variants(QUICK)
    data = first.config.data.model_copy(update={"training_sets": ("procedural/nothing/train",)})
    job = Training("a", first.config.model_copy(update={"data": data}), tmp_path / "a").job()
    assert job
    with pytest.raises(ControlFailed, match="'procedural/nothing/train'"):
        run_all([job], 1, StopSignal(), lambda _: None)


def test_the_report_says_how_intervals_were_made_and_shows_every_pair() -> None:
    results = [
        measured("e", name, decodes, *counts)
        for name, counts in (("none", (5, 6, 4)), ("random", (20, 25, 22)), ("gradient", (90, 92, 91)))
        for decodes in (24, 48)
    ]
    report = Report(FULL, [variant("a", [90, 92, 91]), variant("e", [5, 6, 4])], results, None, "2 CPU cores")
    markdown = report.document().markdown()
    assert "Korn" in markdown
    assert "Made by etrm control on 2 CPU cores" in markdown  # no wall time of a run that continued another
    assert "| gradient search - random search | +69 [" in markdown
    assert "not corrected for their number, 6" in markdown
    timed = replace(report, cost=Cost(wall=3000, processor=5400)).document().markdown()
    assert "Made by etrm control in 50 minutes, 90 of one processor's time, on 2 CPU cores" in timed
    assert thinking_sections([], []) == []


def test_what_a_task_is_called_cannot_break_the_page() -> None:
    document = Document("A <b>", ["1 < 2"], [Section("x", ("y & z",), ("a",), [("<i>",)])])
    assert "<h1>A &lt;b&gt;</h1>" in document.html()
    assert "<td>&lt;i&gt;</td>" in document.html()
