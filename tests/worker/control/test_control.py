"""The positive control: variants differ in one thing each, it runs to its report, and its bars can fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.domain.config.problems import differences
from backend.domain.records import Score
from worker.experiments.control.bars import Bar
from worker.experiments.control.command import run
from worker.experiments.control.report import Report
from worker.experiments.control.results import SearchResult, VariantResult, read_variant
from worker.experiments.control.training import ControlFailed, train_all
from worker.experiments.control.variants import FULL, QUICK, Scale, Variant, replicates, variants
from worker.training.stop import StopSignal


def test_each_variant_differs_from_the_first_in_one_thing() -> None:
    first, *others = variants(FULL)
    changed = {each.letter: set(differences(first.config, each.config)) - {"name"} for each in others}
    assert changed["b"] == {"optimisation.freeze", "optimisation.freeze_steps"}
    assert changed["c"] == {"model.reencode"}
    assert all(path.startswith(("model", "data.first_tasks")) for path in changed["d"])
    assert all(path.startswith(("model.encoder", "objective")) for path in changed["e"])
    assert [each.letter for each in variants(QUICK)] == ["a", "b", "d"]


@pytest.mark.slow
def test_the_command_trains_searches_and_reports(tmp_path: Path) -> None:
    scale = Scale(steps=2, batch=8, test_tasks=3, evaluate_every=1, letters="ae", seeds=2)
    said: list[str] = []
    page = run(scale, tmp_path, 2, said.append)
    assert page
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "a: ETRM, encoder trained" in said
    markdown = (tmp_path / "positive-control.md").read_text()
    assert "| not met | a: solves 80% of held-out rules or more | 0/3 (0 % [0, 56]) |" in markdown
    assert "| gradient steps | 100 | 905 |" in markdown  # 3 demonstrations x (1 + 3 x 100) + 2 ACT steps
    assert "| a | 1 | 0/3 (0 % [0, 56]) | never |" in markdown
    trained = read_variant(variants(scale)[0], tmp_path / "a")
    assert [step for step, _ in trained.held_out] == [1, 2]


@pytest.mark.slow
def test_a_training_that_fails_says_what_its_console_said(tmp_path: Path) -> None:
    (broken,) = variants(replace(QUICK, letters="a"))
    config = broken.config
    data = config.data.model_copy(update={"training_sets": ("procedural/nothing/train",)})
    broken = replace(broken, config=config.model_copy(update={"data": data}))
    with pytest.raises(ControlFailed, match="'procedural/nothing/train'"):
        train_all([broken], tmp_path, 1, StopSignal(), lambda _: None)


def _learned(variant: Variant, solved: int, before: int = 0) -> VariantResult:
    scores = {str(number): float(number < solved) for number in range(100)}
    return VariantResult(
        variant, ((50, Score(before, 100)), (100, Score(solved, 100))), ((100, 0.9),), scores, 60.0
    )


def _searched(signal: str, amount: int, passes: float, solved: int) -> SearchResult:
    scores = {str(number): float(number < solved) for number in range(100)}
    return SearchResult(signal, amount, passes, Score(solved, 100), scores)  # type: ignore[arg-type]


def _report(solved: dict[str, int], searched: int) -> Report:
    results = [_learned(variant, solved[variant.letter]) for variant in variants(FULL)]
    searches = [
        _searched("none", 2, 2, 20),
        _searched("none", 32, 32, 25),
        _searched("gradient", 100, 905, searched),
    ]
    return Report(results, searches, 60.0, "2 CPU cores")


def test_every_bar_holds_where_it_should_and_fails_where_it_should() -> None:
    good = _report({"a": 90, "b": 5, "c": 60, "d": 0, "e": 20}, 80)
    assert all(bar.holds for bar in good.bars())
    bad = _report({"a": 6, "b": 6, "c": 6, "d": 6, "e": 20}, 22)
    assert not any(bar.holds for bar in bad.bars())
    assert len(good.bars()) == len(bad.bars()) == 7


def _seeded(solved: dict[str, list[tuple[int, int]]]) -> Bar:
    """What is said of c; by letter and seed, the rules solved half-way and in the end."""
    first = [_learned(each, *reversed(solved.get(each.letter, [(0, 0)])[0])) for each in variants(FULL)]
    more = [_learned(each, *reversed(solved[each.letter][each.config.seed])) for each in replicates(FULL)]
    return next(bar for bar in Report(first, [], 60.0, "", more).bars() if bar.claim.startswith("c"))


def test_with_several_seeds_the_cached_context_must_be_behind_in_all_of_them() -> None:
    slower = _seeded({"a": [(60, 90), (55, 88), (62, 91)], "c": [(20, 89), (18, 90), (24, 88)]})
    assert slower.holds
    assert slower.found.endswith("half the rules at step 50, 50, 50 against 100, 100, 100")
    mixed = _seeded({"a": [(60, 90), (10, 60), (62, 91)], "c": [(20, 89), (50, 90), (24, 88)]})
    assert not mixed.holds
